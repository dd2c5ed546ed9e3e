#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import HeedSupport

/// A folder for one test, removed with all it holds at the end.
func withTemporaryFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
    let path = "/tmp/heed-train-\(getpid())-\(UInt64.random(in: 0 ... .max))"
    try createDirectory(path)
    defer { removeTree(path) }
    return try body(path)
}

func removeTree(_ path: String) {
    if isDirectory(path) {
        for name in (try? listDirectory(path)) ?? [] { removeTree(joinPath(path, name)) }
        rmdir(path)
    } else {
        unlink(path)
    }
}

/// A copy of a folder as it stands now.
func copyTree(_ from: String, _ to: String) throws {
    try createDirectory(to)
    for name in try listDirectory(from) {
        let (source, target) = (joinPath(from, name), joinPath(to, name))
        if isDirectory(source) {
            try copyTree(source, target)
        } else {
            try writeAtomically(path: target, bytes: try readFile(source))
        }
    }
}
