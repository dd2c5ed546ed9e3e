import HeedSupport
import HeedWeights
import Testing

@Suite("llama2.c checkpoints")
struct Llama2CTests {
    static let configuration: [Int32] = [8, 12, 2, 4, 2, 10, 6]

    /// A checkpoint whose numbers count up; of version 2, quants count up under scales of 2.
    static func bytes(version: Int32, tied: Bool = true) -> [UInt8] {
        var file = Bytes()
        let (width, inner, layers, vocabulary, context) = (8, 12, 2, 10, 6)
        if version > 0 {
            file.add(UInt32(0x616B_3432))
            file.add(version)
        }
        for (index, number) in configuration.enumerated() {
            file.add(version == 0 && index == 5 && !tied ? -number : number)
        }
        if version > 0 {
            file.add(UInt8(tied ? 1 : 0))
            if version == 2 { file.add(Int32(4)) }
            file.add([UInt8](repeating: 0, count: 256 - file.all.count))
        }
        let keys = width / 4 * 2 * width
        let matrices = vocabulary * width + layers * (2 * width * width + 2 * keys + 3 * width * inner)
        let norms = (2 * layers + 1) * width
        let rotary = version == 0 ? context * 2 : 0
        let output = tied ? 0 : vocabulary * width
        if version == 2 {
            for index in 0..<norms { file.add(Float(index)) }
            let counts =
                [vocabulary * width] + [width * width, keys, keys, width * width].flatMap { [$0, $0] }
                + [Int](repeating: width * inner, count: 6) + (tied ? [] : [output])
            for count in counts {
                file.add((0..<count).map { UInt8(truncatingIfNeeded: $0 - 5) })
                for _ in 0..<count / 4 { file.add(Float(2)) }
            }
        } else {
            for index in 0..<matrices + norms + rotary + output { file.add(Float(index)) }
        }
        return file.all
    }

    private func open(_ bytes: [UInt8]) throws -> Llama2CFile {
        try Llama2CFile(MappedFile(copying: bytes, path: "stories.bin"))
    }

    @Test("every version gives its numbers, names and shapes", arguments: [0, 1, 2], [true, false])
    func reading(version: Int32, tied: Bool) throws {
        let file = try open(Self.bytes(version: version, tied: tied))
        #expect(file.configuration.width == 8 && file.configuration.vocabulary == 10)
        #expect(file.configuration.isTied == tied)
        #expect(file.tensors.count == 3 + 2 * 9 - (tied ? 1 : 0))
        #expect(file.tensor(named: "model.layers.1.self_attn.k_proj.weight")?.shape == [4, 8])
        #expect(file.tensor(named: "model.layers.1.mlp.down_proj.weight")?.shape == [8, 12])
        let table = try file.floats("model.embed_tokens.weight")
        switch version {
        case 0:
            #expect(table == (0..<80).map { Float($0) })
            #expect(try file.floats("model.layers.0.input_layernorm.weight").first == 80)
            if !tied {
                #expect(
                    try file.floats("lm_head.weight").last == Float(Self.bytes(version: 0, tied: false).count / 4 - 8))
            }
        case 1: #expect(table == (40..<120).map { Float($0) })
        default: #expect(table == (0..<80).map { Float(2 * ($0 - 5)) })
        }
    }

    @Test("another size than the numbers ask for is refused", arguments: [0, 1, 2])
    func sizes(version: Int32) {
        let sound = Self.bytes(version: version)
        for end in [0, 10, 27, 30, 255, sound.count - 1] {
            #expect(throws: HeedError.self) { _ = try open(Array(sound[..<end])) }
        }
        #expect(message { _ = try open(sound + [0]) }.contains("stories.bin"))
        var huge = sound
        let start = version == 0 ? 0 : 8
        for at in stride(from: start, to: start + 28, by: 4) { huge[at + 2] = 0x0F }
        #expect(throws: HeedError.self) { _ = try open(huge) }
    }
}
