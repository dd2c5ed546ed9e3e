import HeedSupport
import Testing

@Suite("gzip")
struct GzipTests {
    /// Members made by zlib.
    private static let stored = bytes("H4sIAAAAAAACAwENAPL/c3RvcmVkIGJ5dGVzCupZBmwNAAAA")
    private static let fixed = bytes("H4sIAAAAAAACA0tMSk6EIR2FtMyK1BSF5PyU1GIuAN7HYOoaAAAA")
    private static let empty = bytes("H4sIAAAAAAACAwMAAAAAAAAAAAA=")
    private static let headed = bytes(
        "H4sIHgAAAAACAwYAQUICAHh5bmFtZS50eHQAYSBjb21tZW50ALXpK88syVBIVMhITUxJLeICAADQoaQOAAAA")
    private static let zeros = bytes(
        "H4sIAAAAAAACA+3BMQEAAADCoPVPbQlPoAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
            + "AAAAAAAAAAAAAACAtwHcyKmmcBEBAA==")
    private static let dynamic = bytes(dynamicText.joined())

    private func decompress(_ bytes: [UInt8], limit: Int = Gzip.usualLimit) throws -> [UInt8] {
        try bytes.withUnsafeBytes { try Gzip.decompress($0, in: "file.gz", limit: limit) }
    }

    /// The text inside `dynamic`: words drawn by a linear congruence.
    private static let drawn: String = {
        let words = ["the", "cat", "sat", "on", "a", "mat", "and", "then", "it", "slept", "öäü", "日本"]
        var state = 1
        return (0..<1500).map { _ in
            state = (state * 1_103_515_245 + 12345) % (1 << 31)
            return words[(state >> 16) % words.count]
        }.joined(separator: " ")
    }()

    @Test("every kind of block, with and without header fields")
    func blocks() throws {
        #expect(try decompress(Self.stored) == Array("stored bytes\n".utf8))
        #expect(try decompress(Self.fixed) == Array("abcabcabcabc, fixed codes\n".utf8))
        #expect(try decompress(Self.headed) == Array("with a header\n".utf8))
        #expect(try decompress(Self.zeros) == [UInt8](repeating: 0, count: 70_000))
        #expect(try decompress(Self.dynamic) == Array(Self.drawn.utf8))
        #expect(try decompress(Self.empty) == [])
    }

    @Test("members follow each other; zeros at the end are padding, anything else is refused")
    func members() throws {
        let both = Self.stored + Self.empty + Self.dynamic + Self.fixed
        let text = "stored bytes\n" + Self.drawn + "abcabcabcabc, fixed codes\n"
        #expect(try decompress(both) == Array(text.utf8))
        #expect(try decompress(both + [0, 0, 0]) == Array(text.utf8))
        #expect(throws: HeedError.self) { _ = try decompress(both + [0, 7]) }
    }

    @Test("what comes out is bounded")
    func bound() throws {
        #expect(try decompress(Self.zeros, limit: 70_000).count == 70_000)
        let error = #expect(throws: HeedError.self) { _ = try decompress(Self.zeros, limit: 69_999) }
        #expect(error?.description.contains("69,999") == true)
        #expect(error?.place == "file.gz")
        #expect(throws: HeedError.self) { _ = try decompress(Self.stored, limit: 12) }
    }

    @Test("a file cut short anywhere is an error that says so")
    func truncation() throws {
        for whole in [Self.stored, Self.fixed, Self.headed, Self.zeros] {
            for count in 0..<whole.count {
                #expect(throws: HeedError.self, "\(count) bytes") { _ = try decompress(Array(whole[..<count])) }
            }
        }
    }

    @Test("every changed bit of data or checksum is noticed, and none traps")
    func damage() throws {
        for whole in [Self.stored, Self.fixed, Self.dynamic] {
            let text = try decompress(whole)
            for place in 10..<whole.count {
                for bit in 0..<8 {
                    var damaged = whole
                    damaged[place] ^= 1 << UInt8(bit)
                    // A bit that no block uses may be anything; whatever comes out must be the text.
                    if let result = try? decompress(damaged) { #expect(result == text, "byte \(place), bit \(bit)") }
                }
            }
        }
    }

    @Test("random bytes behind a header never trap")
    func noise() {
        var generator = Random(state: 11)
        for _ in 0..<20_000 {
            let count = Int(generator.next() % 60)
            let noise = (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next() >> 24) }
            let header: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3]
            // The first bits choose the kind of block; codes of a block's own are the longest way.
            #expect((try? decompress(header + [noise.first ?? 0 | 5] + noise, limit: 1 << 20)) == nil)
        }
    }

    @Test("files, compressed files and pipes are opened alike")
    func opening() throws {
        let folder = temporaryPath("gzip")
        try createDirectory(folder)
        defer { try? removeTree(folder) }
        let plain = joinPath(folder, "a.txt")
        try writeAtomically(path: plain, text: "stored bytes\n")
        let packed = joinPath(folder, "b.txt")
        try writeAtomically(path: packed, bytes: Self.stored)
        for path in [plain, packed] {
            let file = try InputFile.open(path)
            #expect(Array(file.bytes) == Array("stored bytes\n".utf8))
            #expect(file.name == path)
        }
        try writeAtomically(path: packed, bytes: Array(Self.stored.dropLast()))
        let error = #expect(throws: HeedError.self) { _ = try InputFile.open(packed) }
        #expect(error?.place == packed)
        #expect(throws: HeedError.self) { _ = try InputFile.open(joinPath(folder, "none")) }
        #expect(throws: HeedError.self) { _ = try InputFile.open(folder) }
        #expect(displayName("-") == "standard input")
    }

    /// A small generator of its own, so that a failure can be repeated.
    private struct Random {
        var state: UInt64

        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state >> 11
        }
    }

    private static func bytes(_ base64: String) -> [UInt8] {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var result: [UInt8] = []
        var (bits, count) = (0, 0)
        for character in base64.utf8 {
            guard let value = alphabet.firstIndex(of: character) else { continue }
            (bits, count) = (bits << 6 | value, count + 6)
            if count >= 8 {
                count -= 8
                result.append(UInt8(bits >> count & 0xFF))
            }
        }
        return result
    }

    private static let dynamicText = [
        "H4sIAAAAAAACA31ZSY4UMRD8Sn8tZUbCEu5Ccv2FC0e4cebEbf4y76CrnEtEpkGapafKSy6R4UjPlPPx/vv9x/ufx/zy9vV8nJ/f",
        "nuvHx7efH99/PeT56XHcj+6P7TVB31yPru8Rj9Yar+HrwzVhxg466PX69aXrjnjdz+vrelDn6C99eBnh5uo83/o2fvoIs0zUnPvh",
        "a7ygg7ru9fGefhlxbRLRuH/AUA3JNRBc4F9zrYCry71sU2PAAt3tNSC2s2fXBhYZ99pHXLu8rOmxrEY3cgAxSOG1zdCJNc+Mjg8e",
        "uqlrrAdDd82gMUcnZRj8ETDbo06bk3U+5HgCkpr6JAAKy16MolVxcTZOVo4KzNc2CBqIqDpFaNNfOosrqbm1bTljAVxuHAQzLkpE",
        "nSWb6+SG+bUnwfQJT1J2u9UMhFXN5pUjaglqO8eNGhyougdUgo6M8LRtKc1IRKeIwfsVuJXP2xgdZsk0zMc64s9GrLhK3GcEeozG",
        "Lg/MyiYlxoabGUt6OsJ2/dQZX+Kr2Aqe8yjlQPewdReXtkwQhjhwAkhE1nYEiKD5J4J/y2vLCyGHARNKBoTriC8XF5QGRlhsTa+X",
        "jhwRsbeJi1uDHTFgxU8MC+MPU+IJaJmWVlZTIcEqHkRxiCVKCvZsOWeJYPCVQnHAmvom/dk94B5VzW8/kYaMyDdUjVV7IH/gsQg+",
        "GMvYchInR0df66HbwEKzNtFex7PbYWDfCyZihbRRJ8QKu7OAom3mcwnwX2EOxsvLDoDixQIlp78GFIzgypY8FF1wUCTRFUhT1KN4",
        "AZeCdJdNSn2O1pZ1XDiZuHnKrmqozjSImtPumXIN4qUqId30KHVCJb0HYoggQsclYIloxxn1SGcE64TMAZOYeqRitu/up02nGgJe",
        "zJVlac8aY7IMjDxs5XBhpjjNXZHtEG7F6gUGmx15imz42oeKvgaNzPENRvKTmtyGMwU1iZtfrWN18o8DC9Qq7DdIIk6mI1CmloV8",
        "SIYCXnlhKanPBMs7dlvwtiq2Rwc3WxpBTJwHAEgBw8LMr8EB1MEL+x4Osh5gHoKMQFaBJXuZFzA1Lt5IbcEFDIHipze+CFan8PfT",
        "QYtsCigKAkwlC1NLpwMtIbOT4NgVMElk0YJrHVNK90nh5X4VQmjoA9w02egWzAkYbdMZQ5ypTp0oKSlTCRAxzSQYgWeFVsb0sNYO",
        "DxirxxkHGrFKVTwDUZdU5QUtWvAmZDIwhcjweoMO2SuIWtBdUU8+H/OWDi9uvbJCKK+EDecrgXoL0s8snGo8zfeUPM8cAcLZNJf8",
        "RLKpDtjs1KfXysfbB6fC2nwWXZ8EhzV0KJrjcF2lOUhnGEqqzkgBSPamSXakRbd+PHfZ5ysR736gSASLTJGogyqp/qftatC4Tkly",
        "2AEtgbHlO/nXsbQa9Q0+bpnoGoCqhBvyDrJaoURudmp7Dr/ESQhFZRVdR9U+RaYC7vdtayvSWPhGCdTCgPLp9pV6IjwRrAX2UO5U",
        "XsZY6nxaKXQ4jFmRW/qoNXK1WEgAqrCf6WbRXea7LCAgMKbVixmIPaeczZghqQTrJ8qUG2kWxpCRUE8sYvMVlJ1nMy6BwpohDNbY",
        "5lBRgVpI8t1UVtV8xey71Et0dDs30pOuDBgyPqhe86GeaRQjv+Dy3YEo6Q5DoZN0T9JokN1Zz1y6SuKnueegC4nAixa7WM1Bw7jw",
        "Mrf/pChP6z8sLCwzLggHEfVGIG+oZSNmF4mkC8Aj6/ht05buFwcp9kEB5ovEciqlTgobA5IBejkGvTGcB4AJpq+gMFtz+fkXB2eu",
        "KDMaAAA=",
    ]
}
