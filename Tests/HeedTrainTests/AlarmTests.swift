import Testing

@testable import HeedTrain

@Suite("Alarms")
struct AlarmTests {
    private func row(_ step: Int, loss: Double, norm: Double = 1, validation: Double? = nil) -> LogRow {
        LogRow(
            step: step, loss: loss, rate: 1e-3, gradientNorm: norm, tokens: 10, tokensPerSecond: 1,
            validationLoss: validation)
    }

    /// A run whose loss falls with some noise.
    private func usual(_ step: Int) -> Double {
        1 + 3 / (1 + Double(step) / 100) + 0.05 * Double(step * 7 % 11 - 5) / 5
    }

    private func kinds(
        _ steps: Int, tokensPerEpoch: Int? = nil, _ row: (Int) -> LogRow
    ) -> [(step: Int, kind: Alarms.Kind)] {
        var alarms = Alarms(tokensPerEpoch: tokensPerEpoch)
        return (1...steps).flatMap { step in alarms.observe(row(step)).map { (step, $0.kind) } }
    }

    @Test("an ordinary run raises none")
    func quiet() {
        #expect(kinds(2000) { row($0, loss: usual($0), norm: 1 + usual($0), validation: usual($0)) }.isEmpty)
    }

    @Test("what goes wrong is told once, at the step")
    func raised() {
        let spike = kinds(400) { row($0, loss: $0 == 200 ? 9 : usual($0)) }
        #expect(spike.map(\.kind) == [.lossSpike] && spike[0].step == 200)
        let gradient = kinds(400) { row($0, loss: usual($0), norm: $0 == 150 || $0 == 160 ? 50 : 1) }
        #expect(gradient.map(\.kind) == [.gradientSpike] && gradient[0].step == 150)
        #expect(kinds(200) { row($0, loss: usual($0), norm: 1e-9) }.map(\.kind) == [.vanishingGradient])
        #expect(kinds(400) { row($0, loss: 4 + 0.01 * Double($0 % 3)) }.map(\.kind) == [.notLearning])
        let heart = kinds(900) {
            row($0, loss: usual($0), validation: $0 % 100 == 0 ? 2 + abs(Double($0) - 400) / 500 : nil)
        }
        #expect(heart.map(\.kind).contains(.overfitting))
        #expect(kinds(2000, tokensPerEpoch: 500) { row($0, loss: usual($0)) }.map(\.kind) == [.repeating])
    }
}
