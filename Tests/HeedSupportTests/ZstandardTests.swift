import HeedSupport
import Testing

@Suite("zstd files", .enabled(if: Zstandard.isThere, "this system has no libzstd"))
struct ZstandardTests {
    private static let sentence = "to be or not to be, that is the question\n"
    /// Three times "to be or not to be, to be or not to be, that is the question" and a line's end, with a checksum.
    private static let frame = bytes(
        "28b52ffd24b7ad01002402746f206265206f72206e6f74202c68617420697320746865207175657374696f6e0a06000e0414000d30f5f1"
            + "4d042a73c135bf150dd247")

    private static func bytes(_ hexadecimal: String) -> [UInt8] {
        let digits = Array(hexadecimal.utf8).map { $0 < 0x61 ? $0 - 0x30 : $0 - 0x57 }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    private func expanded(_ bytes: [UInt8], limit: Int = Gzip.usualLimit) throws -> [UInt8] {
        try bytes.withUnsafeBytes { try Zstandard.decompress($0, in: "a.zst", limit: limit) }
    }

    @Test("one frame and several give their content, through a file as well")
    func content() throws {
        let line = "to be or not to be, " + ZstandardTests.sentence
        let text = Array(String(repeating: line, count: 3).utf8)
        #expect(try expanded(ZstandardTests.frame) == text)
        #expect(try expanded(ZstandardTests.frame + ZstandardTests.frame) == text + text)
        let path = temporaryPath("input")
        try writeAtomically(path: path, bytes: ZstandardTests.frame)
        defer { try? removeFile(path) }
        let file = try InputFile.open(path)
        #expect(withExtendedLifetime(file) { Array(file.bytes) } == text)
    }

    @Test("what is cut short, damaged or too large is an error that names the file")
    func faults() throws {
        for count in 4..<ZstandardTests.frame.count {
            let error = #expect(throws: HeedError.self) { try expanded(Array(ZstandardTests.frame[..<count])) }
            #expect(error?.kind == .badInput && error?.description.contains("a.zst") == true, "\(count) bytes")
        }
        // A bit of the first byte after the mark is not used.
        for place in 5..<ZstandardTests.frame.count {
            var damaged = ZstandardTests.frame
            damaged[place] ^= 0x10
            #expect(throws: HeedError.self, "byte \(place)") { try expanded(damaged) }
        }
        #expect(throws: HeedError.self) { try expanded(ZstandardTests.frame + [1, 2, 3, 4]) }
        #expect(try expanded(ZstandardTests.frame, limit: 183).count == 183)
        let error = #expect(throws: HeedError.self) { try expanded(ZstandardTests.frame, limit: 182) }
        #expect(error?.description.contains("more than allowed") == true)
    }
}
