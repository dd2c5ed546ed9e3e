import Heed
import HeedSupport
import Testing

@testable import HeedCommand

@Suite("heed bench")
struct BenchCommandTests {
    private func run(_ words: String) -> Int32 {
        CommandRunner(root: HeedCommand.self).run(words.split(separator: " ").map(String.init))
    }

    @Test("every kind of transformer can be measured training, and an encoder-decoder translating")
    func kinds() {
        let small = "--vocab-size 50 --batch 2 --context 4 --seconds 0.1 --threads 1 --json"
        #expect(run("bench train --preset translation-small --dropout 0.1 --label-smoothing 0.1 \(small)") == 0)
        #expect(run("bench train --preset tiny --profile \(small)") == 0)
        #expect(run("bench translate --preset translation-small --beams 1 3 --profile \(small)") == 0)
    }

    @Test("what cannot be measured is refused")
    func refusals() {
        #expect(run("bench translate --preset tiny --seconds 0.1") == 1)
        #expect(run("bench decode --preset translation-small --seconds 0.1") == 1)
        #expect(run("bench train --preset tini") != 0)
        for words in ["train --vocab-size 1", "train --dropout 1", "translate --beams 0", "translat"] {
            #expect(run("bench \(words)") == 2, "\(words)")
        }
    }

    @Test("an encoder-decoder's step counts source and target work")
    func operations() throws {
        let shape = BenchShape(preset: "transformer-base", vocabulary: 10_000)
        let configuration = shape.adapted(try shape.known.configuration)
        // 6 encoder layers: 4·512² + 2·512·2048 weights; 6 decoder layers: 8·512² + 2·512·2048; 512·10,000 at the head.
        let products = 2.0 * (6 * 3_145_728 + 6 * 4_194_304 + 5_120_000)
        // Scores and mixtures over 32 keys: one attention in the encoder, two in the decoder.
        let attention = 4.0 * 32 * 512 * 18
        #expect(configuration.operationsPerToken(context: 32) == products + attention)
        #expect(configuration.vocabulary == 10_000)
    }
}
