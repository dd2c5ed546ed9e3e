/// Repeated timings of one piece of work.
struct Timings {
    private(set) var seconds: [Double] = []

    /// Runs `body` until `budget` seconds have passed, at least `least` and at most `most` times, after one warm-up.
    init(budget: Double, least: Int = 3, most: Int = 2_000, _ body: () throws -> Void) rethrows {
        try self.init(budget: budget, least: least, most: most, agreed: { $0 }, body)
    }

    /// The same by several ranks, which must stop together: `agreed` is told whether another time is wanted, and decides.
    init(
        budget: Double, least: Int = 3, most: Int = 2_000, agreed: (Bool) throws -> Bool, _ body: () throws -> Void
    ) rethrows {
        let clock = ContinuousClock()
        try body()
        let began = clock.now
        while try agreed(seconds.count < least || (seconds.count < most && (clock.now - began).inSeconds < budget)) {
            seconds.append(try clock.measure(body).inSeconds)
        }
        seconds.sort()
    }

    /// The middle one: machines are noisy, and a mean is what the noise makes it.
    var median: Double { seconds[seconds.count / 2] }
    var least: Double { seconds.first ?? 0 }
    var most: Double { seconds.last ?? 0 }
}
