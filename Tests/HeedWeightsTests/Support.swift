import HeedSupport
import HeedWeights
import TestFixtures
import Testing

/// A folder of its own for one test, removed at the end.
func withTemporaryFolder(_ body: (String) throws -> Void) throws {
    let path = temporaryPath("weights")
    try createDirectory(path)
    defer { try? removeTree(path) }
    try body(path)
}

/// The bytes of a safetensors file with this header and data.
func encode(header: String, data: [UInt8] = []) -> [UInt8] {
    withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) } + Array(header.utf8) + data
}

/// Opens bytes as a file.
func open(_ bytes: [UInt8], in folder: String) throws -> SafetensorsFile {
    let path = joinPath(folder, "model.safetensors")
    try overwrite(path, bytes)
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
