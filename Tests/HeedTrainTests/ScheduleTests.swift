import HeedSupport
import TestFixtures
import Testing

@testable import HeedTrain

@Suite("Learning rates")
struct ScheduleTests {
    @Test("the schedules of PyTorch and Hugging Face", .enabled(if: Shared.isThere))
    func goldens() throws {
        let golden = try JSON.load(path: Shared.fixture("ops", "schedules.json"))
        let peak = try #require(golden["base_lr"]?.doubleValue)
        for (name, shape) in [
            ("warmup_cosine", ScheduleShape.cosine), ("warmup_linear", .linear), ("warmup_constant", .constant),
            ("inverse_sqrt", .inverseSquareRoot),
        ] {
            let rates = try #require(golden["sequences"]?[name]?.arrayValue).compactMap(\.doubleValue)
            let schedule = LearningRateSchedule(shape, peak: peak, minimum: 0, warmup: 10, steps: 100)
            // Theirs counts from 0 and begins the warm-up at a rate of 0; after it cosine and linear lag ours by one.
            for step in 1...100 {
                let falls = shape == .cosine || shape == .linear
                let index = step > 10 && falls ? step - 1 : step
                #expect(abs(schedule.rate(step) - rates[index]) <= 1e-15 + 1e-12 * rates[index], "\(name) \(step)")
            }
        }
    }

    @Test("warm-up, ends and clamps")
    func table() {
        for shape in ScheduleShape.allCases {
            let schedule = LearningRateSchedule(shape, peak: 2, minimum: 0.5, warmup: 4, steps: 10)
            #expect((1...4).map(schedule.rate) == [0.5, 1, 1.5, 2])
        }
        let cosine = LearningRateSchedule(.cosine, peak: 2, minimum: 0.5, warmup: 4, steps: 10)
        #expect(cosine.rate(5) == 2)
        #expect(abs(cosine.rate(8) - 1.25) < 1e-15)
        #expect(cosine.rate(10) > 0.5 && cosine.rate(11) == 0.5 && cosine.rate(1000) == 0.5)
        let linear = LearningRateSchedule(.linear, peak: 2, minimum: 0.5, warmup: 4, steps: 10)
        #expect((5...12).map(linear.rate) == [2, 1.75, 1.5, 1.25, 1, 0.75, 0.5, 0.5])
        let root = LearningRateSchedule(.inverseSquareRoot, peak: 2, minimum: 0.5, warmup: 4, steps: 100)
        #expect(root.rate(16) == 1 && root.rate(64) == 0.5 && root.rate(100) == 0.5)
        let constant = LearningRateSchedule(.constant, peak: 2, warmup: 0, steps: 10)
        #expect((1...20).allSatisfy { constant.rate($0) == 2 })
        let cold = LearningRateSchedule(.inverseSquareRoot, peak: 2, warmup: 0, steps: 10)
        #expect(cold.rate(1) == 2 && cold.rate(4) == 1)
        let warm = LearningRateSchedule(.cosine, peak: 2, minimum: 1, warmup: 3, steps: 3)
        #expect(warm.rate(3) == 2 && warm.rate(4) == 1)
    }

    @Test("rates have the same bits everywhere")
    func bits() {
        let schedule = LearningRateSchedule(.cosine, peak: 1e-3, minimum: 1e-4, warmup: 100, steps: 2000)
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for step in 1...2000 { hash = (hash ^ schedule.rate(step).bitPattern) &* 0x100_0000_01b3 }
        #expect(hash == 6_754_477_518_616_405_797)
    }
}
