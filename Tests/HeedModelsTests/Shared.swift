import HeedSupport

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The folder with golden numbers, where this checkout has one beside it; tests that need it are skipped otherwise.
enum Shared {
    static let folder: String? = {
        if let given = getenv("HEED_SHARED") { return String(cString: given) }
        var path = #filePath
        for _ in 0..<6 {
            path = parentPath(path)
            let candidate = joinPath(path, "shared")
            if isDirectory(joinPath(candidate, "fixtures")) { return candidate }
        }
        return nil
    }()

    static var isThere: Bool { folder != nil }

    static func path(_ parts: String...) -> String { parts.reduce(folder ?? "", joinPath) }

    static func fixture(_ parts: String...) -> String {
        parts.reduce(joinPath(folder ?? "", "fixtures/given"), joinPath)
    }
}

/// A fresh folder for one test's files.
func temporaryFolder() -> String {
    let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    let path = joinPath(base, "heed-models-\(getpid())-\(UInt64.random(in: 0..<(1 << 40)))")
    _ = mkdir(path, 0o755)
    return path
}
