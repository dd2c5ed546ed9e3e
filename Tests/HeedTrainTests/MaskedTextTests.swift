import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor
import Testing

@testable import HeedTrain

@Suite("Masked text")
struct MaskedTextTests {
    private let masking = Masking(mask: 4, begin: 2, end: 3, vocabulary: 61)

    private func source(seed: UInt64 = 1, batch: Int = 8, accumulate: Int = 1) throws -> MaskedText {
        let stream = TokenStream((0..<4000).map { Int32(5 + $0 % 50) }, name: "text")
        return try MaskedText(
            [stream], masking, context: 34, batch: batch, accumulate: accumulate, order: .shuffled, seed: seed)
    }

    /// Ids and targets of a micro-batch.
    private func filled(_ source: MaskedText, rows: Int, step: Int, part: Int = 0) throws -> [[Int32]] {
        let batch = try source.batch(rows: rows, columns: 34, step: step, part: part)
        let count = batch.rows.current
        return [(0..<count).map { batch.ids[$0] }, (0..<count).map { batch.targets[$0] }]
    }

    @Test("15 % of the text is to be guessed, 8 in 10 of it behind the mask, never the frame")
    func shares() throws {
        let source = try source()
        var (guessed, masked, kept, all) = (0, 0, 0, 0)
        for step in 1...60 {
            let lists = try filled(source, rows: 8, step: step)
            let (ids, targets) = (lists[0], lists[1])
            #expect(ids.count == 8 * 34)
            for row in 0..<8 {
                let range = row * 34..<(row + 1) * 34
                #expect(ids[range.lowerBound] == 2 && ids[range.upperBound - 1] == 3)
                #expect(targets[range.lowerBound] == -100 && targets[range.upperBound - 1] == -100)
                #expect(targets[range].contains { $0 != -100 })
            }
            for (id, target) in zip(ids, targets) where target != -100 {
                guessed += 1
                masked += id == 4 ? 1 : 0
                kept += id == target ? 1 : 0
                #expect(target >= 5 && target < 55 && id >= 0 && id < 61)
            }
            all += 8 * 32
        }
        let share = Double(guessed) / Double(all)
        #expect(abs(share - 0.15) < 0.01, "\(share)")
        #expect(abs(Double(masked) / Double(guessed) - 0.8) < 0.03)
        #expect(abs(Double(kept) / Double(guessed) - 0.1) < 0.03)
    }

    @Test("masks depend on seed and step only, however a step is cut")
    func determinism() throws {
        let whole = try filled(source(), rows: 8, step: 3)
        #expect(try filled(source(), rows: 8, step: 3) == whole)
        #expect(try filled(source(), rows: 8, step: 4) != whole)
        #expect(try filled(source(seed: 2), rows: 8, step: 3) != whole)
        let halves = try (0..<2).map { try filled(source(batch: 4, accumulate: 2), rows: 4, step: 3, part: $0) }
        #expect([halves[0][0] + halves[1][0], halves[0][1] + halves[1][1]] == whole)
    }

    @Test("a window without room for text is refused")
    func tooShort() throws {
        let stream = TokenStream((0..<40).map { Int32($0) }, name: "text")
        #expect(throws: HeedError.self) {
            _ = try MaskedText(
                [stream], masking, context: 2, batch: 1, accumulate: 1, order: .shuffled, seed: 1)
        }
    }

    @Test("an encoder learns to guess; second sentences that are not there count for nothing")
    func learns() throws {
        for head in [EncoderHead.maskedLanguage, .pretraining] {
            let shape = EncoderConfiguration.bert(
                width: 32, layers: 1, heads: 2, vocabulary: 61, context: 16, head: head)
            let model = try Model(.encoder(shape), family: .bert, seed: 1)
            var options = TrainingOptions()
            options.step.batch = 8
            options.step.context = 16
            options.step.dropout = 0
            options.schedule = LearningRateSchedule(.constant, peak: 3e-3, steps: 60)
            let runtime = try Runtime(threads: 1)
            let stream = TokenStream((0..<3000).map { Int32(5 + $0 % 50) }, name: "text")
            let data = try RunData(
                masking: masking, training: [stream], validation: [stream], fingerprint: "x", model, options.step,
                order: .shuffled, runtime: runtime)
            let before = try #require(try data.measure?())
            let folder = temporaryPath("masked")
            defer { try? removeTree(folder) }
            _ = try TrainingRun(model, data, options, output: TrainingOutput(folder: folder), runtime: runtime).run()
            let after = try #require(try data.measure?())
            #expect(after < before - 0.5, "from \(before) to \(after)")
        }
    }
}
