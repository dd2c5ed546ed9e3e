import HeedSupport
import Testing

@testable import HeedTrain

@Suite("Gradient noise scale")
struct NoiseTests {
    @Test("known signal and noise are found again, whatever the sizes of the shards")
    func known() throws {
        // Exact norms: |G|² = 4, tr Σ = 300; shards of 10, 10 and 20 targets of 40.
        let (signal, noise) = (4.0, 300.0)
        let parts = [10, 10, 20].map { targets in
            let share = Double(targets) / 40
            return (squares: (signal + noise / Double(targets)) * share * share, targets: targets)
        }
        let found = try #require(GradientNoise(parts: parts + [(0, 0)], whole: signal + noise / 40))
        #expect(abs(found.signal - signal) < 1e-9 && abs(found.noise - noise) < 1e-6)
        #expect(abs((found.scale ?? 0) - 75) < 1e-6)
        #expect(GradientNoise(parts: [(1, 10), (0, 0)], whole: 1) == nil)
        #expect(GradientNoise().scale == nil)
        var mean = GradientNoise()
        for _ in 0..<5 { mean.take(found) }
        #expect(abs((mean.scale ?? 0) - 75) < 1e-6)
    }

    @Test("a run of several shards logs it, and a stopped one goes on with the same")
    func logged() throws {
        func scales(_ folder: String) throws -> [Double?] {
            String(decoding: try readFile(joinPath(folder, "log.jsonl")), as: UTF8.self).split(separator: "\n").map {
                (try? JSON.parse(String($0)))?["noise_scale"]?.doubleValue
            }
        }
        var small = SmallRun(steps: 8)
        (small.options.step.batch, small.options.step.accumulate, small.options.step.shards) = (2, 4, 4)
        let (whole, parts) = (try SmallRun.folder(), try SmallRun.folder())
        defer {
            try? removeTree(whole)
            try? removeTree(parts)
        }
        _ = try small.make(whole).run()
        var done = 0
        #expect(throws: HeedError.self) {
            try small.make(parts).run(shouldStop: {
                done += 1
                return done == 3
            })
        }
        _ = try small.make(parts, resume: true).run()
        let expected = try scales(whole)
        #expect(expected.count == 8 && expected.contains { $0 != nil })
        #expect(try scales(parts) == expected)
        small.options.step.shards = 1
        let (chain) = try SmallRun.folder()
        defer { try? removeTree(chain) }
        _ = try small.make(chain).run()
        #expect(try scales(chain).allSatisfy { $0 == nil })
    }
}
