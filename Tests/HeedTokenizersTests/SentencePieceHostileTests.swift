import HeedSupport
import HeedTokenizers
import TestFixtures
import Testing

/// How often the random tests repeat: few times by default, `HEED_FUZZ` times where that is set.
let fuzzRepetitions: Int = fuzzCount(2_000)

/// Numbers that look random and are the same in every run.
struct TestRandom: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }
    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state &* 0x2545_F491_4F6C_DD1D
    }
}

@Suite struct SentencePieceHostileTests {
    static func read(_ bytes: [UInt8]) throws -> SentencePieceTokenizer {
        try bytes.withUnsafeBytes { try SentencePieceTokenizer(SentencePieceFile($0, in: "x.model"), in: "x.model") }
    }

    static func small() -> SentencePieceFile {
        SentencePieceModelTests.file(
            [("a", -1, .normal), ("b", -2, .normal), ("ab", -2.5, .normal), ("▁", -1, .normal), ("<s>", 0, .control)],
            .unigram)
    }

    @Test("broken files give an error that names them")
    func brokenFiles() throws {
        var generator = TestRandom(seed: 1)
        let random = (0..<5000).map { _ in UInt8.random(in: 0...255, using: &generator) }
        let huge: [UInt8] = [0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]
        for bytes in [[], random, huge, [0x0A, 0x02, 0x0A], [0xFF], Array(repeating: 0xFF, count: 20), [0x08, 0x01]] {
            let error = #expect(throws: HeedError.self) { try Self.read(bytes) }
            #expect(error?.description.contains("x.model") == true)
        }
    }

    @Test("models that contradict themselves give an error")
    func contradictions() throws {
        func expectError(_ change: (inout SentencePieceFile) -> Void) {
            var file = Self.small()
            change(&file)
            #expect(throws: HeedError.self) { try Self.read(file.serialised()) }
        }
        expectError { $0.pieces.removeAll() }
        expectError { $0.pieces.removeFirst() }
        expectError { $0.pieces[1].text = [] }
        expectError { $0.pieces[1].text = $0.pieces[2].text }
        expectError { $0.pieces[1].score = .nan }
        expectError { $0.pieces[1].role = .unknown }
        expectError { $0.pieces[1].role = .byte }
        expectError { $0.hasByteFallback = true }
        expectError { $0.normalization.charactersMap = [1, 2, 3] }
        expectError { $0.normalization.charactersMap = [0xFF, 0xFF, 0xFF, 0x7F, 0, 0, 0, 0, 0] }
    }

    @Test("a file cut anywhere gives an error or a sound model")
    func truncation() throws {
        let whole = Self.small().serialised()
        for length in 0..<whole.count {
            do {
                let tokenizer = try Self.read(Array(whole[..<length]))
                _ = tokenizer.encode("ab xyz".utf8)
            } catch is HeedError {
                continue
            }
        }
    }

    @Test("files with changed bytes give an error or a model that neither traps nor leaves its ids")
    func mutations() throws {
        let rules: [UInt8] = [16, 0, 0, 0] + (0..<40).map { UInt8($0 * 5) }
        var file = Self.small()
        file.normalization.charactersMap = rules
        let whole = file.serialised()
        var generator = TestRandom(seed: 2)
        var read = 0
        for round in 0..<fuzzRepetitions {
            var bytes = whole
            for _ in 0...(round % 4) {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = .random(in: 0...255, using: &generator)
            }
            guard let tokenizer = try? Self.read(bytes) else { continue }
            read += 1
            let encoded = tokenizer.encode("ab  b\u{3000}é x".utf8)
            #expect(encoded.ids.allSatisfy { $0 >= 0 && Int($0) < tokenizer.file.pieces.count })
            _ = tokenizer.decode(encoded.ids)
        }
        #expect(read > 0)
    }

    @Test("any bytes give ids in range whose places lie in the text", arguments: SentencePieceFile.Algorithm.allCases)
    func anyText(algorithm: SentencePieceFile.Algorithm) throws {
        var file = Self.small()
        file.algorithm = algorithm
        file.normalization.removesExtraWhitespaces = algorithm == .unigram
        file.normalization.addsDummyPrefix = true
        let tokenizer = try Self.read(file.serialised())
        var generator = TestRandom(seed: 3)
        let alphabet: [[UInt8]] = [
            [97], [98], [32], [0xE2, 0x96, 0x81], [0xC3, 0xA9], [0xC3], [0xFF], [0], [0xF0, 0x9F, 0x98, 0x80], [0xE2],
        ]
        for _ in 0..<fuzzRepetitions {
            var text: [UInt8] = []
            for _ in 0..<Int.random(in: 0..<24, using: &generator) {
                text += alphabet.randomElement(using: &generator) ?? []
            }
            let encoded = tokenizer.encode(text)
            var end: Int32 = 0
            for (id, span) in zip(encoded.ids, encoded.spans) {
                #expect(id >= 0 && Int(id) < file.pieces.count)
                #expect(span.start >= 0 && span.start <= span.end && Int(span.end) <= text.count && span.end >= end)
                end = span.end
            }
            _ = tokenizer.decode(encoded.ids)
        }
    }

    @Test("llama2.c files with absurd lengths or cut short give an error")
    func llamaFiles() throws {
        let absurd: [UInt8] = [27, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0x7F]
        for bytes in [[], [1, 2], absurd, [27, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [27, 0, 0, 0, 1]] {
            let error = #expect(throws: HeedError.self) {
                try bytes.withUnsafeBytes { try SentencePieceFile(llamaTokenizer: $0, in: "tokenizer.bin") }
            }
            #expect(error?.description.contains("tokenizer.bin") == true)
        }
    }
}
