import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor
import HeedTokenizers
import TestFixtures
import Testing

@testable import HeedTrain

/// What the forms of weights and caches cost on a trained model, held to the bounds that the documents state.
@Suite("What numeric forms cost", .enabled(if: Shared.isThere))
struct FormBoundsTests {
    /// A trained model and how its texts become ids.
    enum Trained: String, CaseIterable {
        case shakespeare, stories

        var folder: String {
            switch self {
            case .shakespeare: Shared.path("models", "shakespeare-char", "final")
            case .stories: Shared.path("models", "stories260K", "hf")
            }
        }

        /// The end of a text of the kind that the model learned.
        func text(_ count: Int) throws -> TokenStream {
            switch self {
            case .shakespeare: return try FormBoundsTests.characters(count)
            case .stories:
                let text = try readFile(Shared.path("data", "text", "tinystories_valid_sample.txt")).suffix(count)
                let tokenizer = try Tokenizer.load(path: Shared.path("models", "stories260K", "tok512.bin"))
                return TokenStream(try tokenizer.encode(String(decoding: text, as: UTF8.self)).ids, name: rawValue)
            }
        }
    }

    /// The last characters of the text that the model learned, by their places among all its characters.
    private static func characters(_ count: Int) throws -> TokenStream {
        let bytes = try readFile(Shared.path("data", "text", "tinyshakespeare.txt"))
        let characters = Set(bytes).sorted()
        let places = Dictionary(uniqueKeysWithValues: characters.enumerated().map { ($1, Int32($0)) })
        return TokenStream(bytes.suffix(count).compactMap { places[$0] }, name: "tinyshakespeare")
    }

    @Test(
        "perplexity in each form of weights is near that of fp32",
        arguments: Trained.allCases,
        [(WeightForm.stored, 0), (.bfloat16, 1e-3), (.float16, 1e-3), (.int8, 5e-3), (.int4, 3e-2)])
    func weights(trained: Trained, held: (form: WeightForm, bound: Double)) throws {
        let (form, bound) = held
        let runtime = try Runtime(threads: 2)
        let whole = try Model.load(folder: trained.folder, weights: .float32)
        let model = try Model.load(folder: trained.folder, weights: form)
        let context = try model.decoder.configuration.context
        let stream = try trained.text(trained == .stories ? 30_000 : 6_000)
        let expected = try #require(try StreamLoss(whole, context: context, runtime: runtime).measure([stream]))
        let measured = try #require(try StreamLoss(model, context: context, runtime: runtime).measure([stream]))
        #expect(expected.perplexity < 10, "the model has learned something")
        #expect(abs(measured.perplexity / expected.perplexity - 1) <= bound)
        let comparison = try ModelComparison(model, against: whole, context: context, runtime: runtime)
        let difference = try #require(try comparison.measure([stream]))
        #expect(difference.tokens == measured.tokens)
        #expect(abs(difference.referencePerplexity / expected.perplexity - 1) < 1e-6)
        #expect(difference.meanDivergence <= bound && difference.largestDivergence >= difference.meanDivergence)
        #expect(difference.agreement > 1 - 10 * bound - 1e-9)
        #expect((difference.meanDivergence == 0) == (form == .stored))
    }

    @Test(
        "perplexity in each form of the cache is near that of fp32",
        arguments: Trained.allCases, [(CacheForm.float32, 0), (.bfloat16, 1e-3), (.float16, 1e-3), (.int8, 5e-3)])
    func caches(trained: Trained, held: (form: CacheForm, bound: Double)) throws {
        let (form, bound) = held
        let runtime = try Runtime(threads: 2)
        let model = try Model.load(folder: trained.folder)
        let decoder = try model.decoder
        let shape = decoder.configuration
        // On a tenth of it bf16 is off by as much as the bound: by chance.
        let ids = try trained.text(trained == .stories ? 30_000 : 6_000)
        let room = UnsafeMutablePointer<Int32>.allocate(capacity: shape.context + 1)
        defer { room.deallocate() }
        func perplexity(_ cache: KeyValueCache?) throws -> Double {
            let batch = TokenBatch(rowCapacity: shape.context, sequenceCapacity: 1)
            let pass = try runtime.pass(
                model.weights, for: .inference, maximumLength: shape.context, store: cache
            ) { trace in decoder.loss(decoder(batch, in: trace), targets: batch) }
            var (sum, count) = (0.0, 0)
            for start in stride(from: 0, to: ids.count - 1, by: shape.context) {
                let length = min(shape.context, ids.count - 1 - start)
                ids.copy(from: start, count: length + 1, to: room)
                batch.clear()
                try batch.append(UnsafeBufferPointer(start: room, count: length), slot: 0, past: 0)
                for row in 0..<length { batch.targets[row] = room[row + 1] }
                pass.forward()
                pass.outputs.add(to: &sum)
                count += length
            }
            return ExactMathematics.exp(sum / Double(count))
        }
        let cache = try KeyValueCache(
            layers: shape.layers, slots: 1, tokens: shape.context, heads: shape.keyHeads, width: shape.headWidth,
            form: form)
        let (expected, measured) = (try perplexity(nil), try perplexity(cache))
        #expect(abs(measured / expected - 1) <= bound)
        #expect((measured == expected) == (form == .float32))
    }
}
