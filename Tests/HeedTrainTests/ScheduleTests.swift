import HeedSupport
import HeedTrain
import Testing

@Suite("Learning rates")
struct ScheduleTests {
    private func schedule(_ kind: ScheduleKind, least: Double = 0, warmup: Int = 10, steps: Int = 100)
        -> LearningRateSchedule
    {
        LearningRateSchedule(kind: kind, peak: 3e-4, least: least, warmup: warmup, steps: steps)
    }

    @Test("warm-up rises from lr/w to lr")
    func warmup() {
        for kind in ScheduleKind.allCases {
            #expect(abs(schedule(kind).rate(at: 1) - 3e-5) < 1e-18)
            #expect(abs(schedule(kind).rate(at: 5) - 1.5e-4) < 1e-18)
            #expect(schedule(kind).rate(at: 10) == 3e-4)
            #expect(schedule(kind, warmup: 0).rate(at: 1) == 3e-4, "no warm-up begins at the peak")
        }
    }

    @Test("values of the formulas at the middle, the end and beyond")
    func values() {
        #expect(schedule(.cosine).rate(at: 11) == 3e-4)
        #expect(abs(schedule(.cosine).rate(at: 56) - 1.5e-4) < 1e-18)
        #expect(abs(schedule(.cosine, least: 1e-4).rate(at: 56) - 2e-4) < 1e-18)
        #expect(abs(schedule(.linear).rate(at: 56) - 1.5e-4) < 1e-18)
        #expect(abs(schedule(.linear).rate(at: 100) - 3e-4 / 90) < 1e-18)
        #expect(schedule(.constant).rate(at: 100) == 3e-4)
        #expect(abs(schedule(.inverseSquareRoot).rate(at: 40) - 1.5e-4) < 1e-18)
        #expect(schedule(.inverseSquareRoot, warmup: 0).rate(at: 1) == 3e-4)
        for kind in [ScheduleKind.cosine, .linear] {
            for step in [101, 110, 190, 191, 10_000] {
                #expect(schedule(kind, least: 1e-5).rate(at: step) == 1e-5, "the rate never rises again")
            }
            let rates = (10...120).map { schedule(kind, least: 1e-5).rate(at: $0) }
            #expect(zip(rates, rates.dropFirst()).allSatisfy { $0 >= $1 && $1 >= 1e-5 })
        }
    }

    @Test("a warm-up over the whole run divides by nothing")
    func allWarmup() {
        for kind in ScheduleKind.allCases {
            #expect(schedule(kind, warmup: 100).rate(at: 100) == 3e-4)
            #expect(schedule(kind, warmup: 100).rate(at: 101).isFinite)
        }
    }

    @Test(
        "the shared golden sequences of torch and transformers",
        .enabled(if: Fixtures.given("ops/schedules.json") != nil))
    func golden() throws {
        let path = try #require(Fixtures.given("ops/schedules.json"))
        let json = try JSON.load(path: path)
        let peak = try #require(json["base_lr"]?.doubleValue)
        let warmup = try #require(json["warmup"]?.intValue)
        let total = try #require(json["total"]?.intValue)
        // Entry t of the golden is the rate of step t counted from 0, warm-up from 0: entry t is our step t + 1 once
        // the warm-up is over, and our step t before that.
        // The inverse root is of t itself there as here. Beyond the end their cosine rises again; ours does not.
        let kinds = [
            "warmup_cosine": ScheduleKind.cosine, "warmup_linear": .linear, "warmup_constant": .constant,
            "inverse_sqrt": .inverseSquareRoot,
        ]
        var compared = 0
        for (name, kind) in kinds {
            guard let rates = json["sequences"]?[name]?.arrayValue?.compactMap(\.doubleValue) else { continue }
            let ours = LearningRateSchedule(kind: kind, peak: peak, warmup: warmup, steps: total)
            for (t, rate) in rates.enumerated() where t > 0 && !(kind == .cosine && t > total) {
                let step = t < warmup || kind == .inverseSquareRoot ? t : t + 1
                #expect(abs(ours.rate(at: step) - rate) <= 1e-15, "\(name) at \(t)")
                compared += 1
            }
        }
        #expect(compared > 400)
    }
}

@Suite("Training options")
struct TrainingOptionsTests {
    @Test("values that mean nothing are refused by their names on the command line")
    func validation() {
        let wrong: [(String, (inout TrainingOptions) -> Void)] = [
            ("--batch", { $0.batch = 0 }), ("--context", { $0.context = 0 }), ("--accumulate", { $0.accumulate = -1 }),
            ("--steps", { $0.steps = 0 }), ("--lr", { $0.learningRate = .nan }), ("--lr", { $0.learningRate = -1 }),
            ("--min-lr", { $0.leastRate = 1 }), ("--warmup", { $0.warmup = 1001 }), ("--warmup", { $0.warmup = -1 }),
            ("--beta1", { $0.adamW.beta1 = 1 }), ("--beta2", { $0.adamW.beta2 = .nan }),
            ("--epsilon", { $0.adamW.epsilon = 0 }), ("--weight-decay", { $0.adamW.weightDecay = -0.1 }),
            ("--clip", { $0.clip = .infinity }), ("--dropout", { $0.dropout = 1.5 }),
            ("--label-smoothing", { $0.labelSmoothing = 1 }), ("--save-every", { $0.saveEvery = -1 }),
            ("--context", { $0.context = 65 }),
            (
                "--batch",
                {
                    $0.batch = .max
                    $0.accumulate = 3
                }
            ),
        ]
        for (name, change) in wrong {
            var options = TrainingOptions()
            change(&options)
            let error = #expect(throws: HeedError.self) { try options.validate(contextLength: 64) }
            #expect(error?.place == name)
        }
        #expect(throws: Never.self) { try TrainingOptions().validate(contextLength: 64) }
    }
}
