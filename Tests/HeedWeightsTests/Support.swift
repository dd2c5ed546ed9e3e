#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import HeedSupport
import HeedWeights
import Testing

/// A folder of its own for one test, removed at the end.
func withTemporaryFolder(_ body: (String) throws -> Void) throws {
    let path = "/tmp/heed-weights-\(getpid())-\(UInt64.random(in: 0 ... .max))"
    try createDirectory(path)
    defer {
        for name in (try? listDirectory(path)) ?? [] { remove(joinPath(path, name)) }
        rmdir(path)
    }
    try body(path)
}

/// The bytes of a safetensors file with this header and data.
func encode(header: String, data: [UInt8] = []) -> [UInt8] {
    withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) } + Array(header.utf8) + data
}

/// Opens bytes as a file.
func open(_ bytes: [UInt8], in folder: String) throws -> SafetensorsFile {
    let path = joinPath(folder, "model.safetensors")
    try writeAtomically(path: path, bytes: bytes)
    return try SafetensorsFile(path: path)
}

/// The message that `body` ends in; a test fails where it does not throw a `HeedError`.
func message(_ body: () throws -> Void) -> String {
    do {
        try body()
        Issue.record("nothing was thrown")
        return ""
    } catch let error as HeedError {
        return error.description
    } catch {
        Issue.record("another kind of error: \(error)")
        return ""
    }
}
