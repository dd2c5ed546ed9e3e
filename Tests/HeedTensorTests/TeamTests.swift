import HeedSupport
import Testing

@testable import HeedTensor

/// What the steps of a test write: each its own number of visits, and whether one began before the last was done.
private struct Visits {
    var step = 0
    var parts: UnsafeMutablePointer<Int32>
    var earlier: UnsafeMutablePointer<Int32>?
    var earlierParts: Int32 = 0
    var tooEarly: UnsafeMutablePointer<Int32>
}

@Suite("Team")
struct TeamTests {
    /// Runs 200 steps, some shared and some not, `rounds` times, and returns visits by step and part.
    private func walk(threads: Int, rounds: Int, on team: Team) -> (visits: [[Int32]], tooEarly: Int32) {
        let count = 200
        let slots = UnsafeMutablePointer<Int32>.allocate(capacity: count * threads)
        slots.initialize(repeating: 0, count: count * threads)
        let tooEarly = UnsafeMutablePointer<Int32>.allocate(capacity: threads)
        tooEarly.initialize(repeating: 0, count: threads)
        let arguments = UnsafeMutablePointer<Visits>.allocate(capacity: count)
        defer {
            slots.deallocate()
            tooEarly.deallocate()
            arguments.deallocate()
        }
        var steps: [Step] = []
        var before: (slots: UnsafeMutablePointer<Int32>, parts: Int32)?
        for index in 0..<count {
            let isShared = index % 3 != 1 && index % 7 != 0
            let mine = slots + index * threads
            (arguments + index).initialize(
                to: Visits(
                    step: index, parts: mine, earlier: before?.slots, earlierParts: before?.parts ?? 0,
                    tooEarly: tooEarly))
            steps.append(
                Step(
                    kernel: { raw, part, parts in
                        guard let visits = raw?.assumingMemoryBound(to: Visits.self).pointee else { return }
                        if let earlier = visits.earlier {
                            // The step before is whole: as many rounds in each of its parts as in mine, and one more.
                            for other in 0..<Int(visits.earlierParts)
                            where earlier[other] != visits.parts[Int(part)] + 1 {
                                visits.tooEarly[Int(part)] += 1
                            }
                        }
                        visits.parts[Int(part)] += 1
                    }, arguments: UnsafeRawPointer(arguments + index), rows: nil, shareFrom: isShared ? 0 : Int32.max))
            before = (mine, isShared ? Int32(threads) : 1)
        }
        steps.withUnsafeBufferPointer { for _ in 0..<rounds { team.run($0) } }
        let visits = (0..<count).map { step in (0..<threads).map { slots[step * threads + $0] } }
        return (visits, (0..<threads).reduce(0) { $0 + tooEarly[$1] })
    }

    private func expectWhole(_ result: (visits: [[Int32]], tooEarly: Int32), threads: Int, rounds: Int32) {
        for (index, parts) in result.visits.enumerated() {
            let isShared = index % 3 != 1 && index % 7 != 0
            let wanted = (0..<threads).map { isShared || $0 == 0 ? rounds : 0 }
            #expect(parts == wanted, "step \(index)")
        }
        #expect(result.tooEarly == 0)
    }

    @Test("every part of every step runs once, after the step before is whole", arguments: 1...5)
    func order(threads: Int) throws {
        let team = try Team(count: threads)
        expectWhole(walk(threads: threads, rounds: 5, on: team), threads: threads, rounds: 5)
    }

    @Test("callers that come at once are served one after the other")
    func callers() async throws {
        let team = try Team(count: 2)
        let results = await withTaskGroup(of: (visits: [[Int32]], tooEarly: Int32).self) { group in
            for _ in 0..<4 { group.addTask { walk(threads: 2, rounds: 5, on: team) } }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(results.count == 4)
        for result in results { expectWhole(result, threads: 2, rounds: 5) }
    }

    @Test("no team of nobody, or of too many", arguments: [0, -1, 1_025, Int.min])
    func impossible(count: Int) {
        let error = #expect(throws: HeedError.self) { try Team(count: count) }
        #expect(error?.description.contains("1024") == true)
    }
}

@Suite("Shared work of the caller")
struct TeamShareTests {
    @Test("every part runs once", arguments: [1, 2, 5])
    func parts(_ threads: Int) throws {
        let team = try Team(count: threads)
        let count = Counting(threads)
        for _ in 0..<50 { team.share(count) }
        #expect(Array(count.runs) == (1...threads).map { 50 * $0 })
    }

    private final class Counting: TeamWork {
        let runs: UnsafeMutableBufferPointer<Int>

        init(_ threads: Int) {
            runs = .allocate(capacity: threads)
            runs.initialize(repeating: 0)
        }

        deinit { runs.deallocate() }

        func run(part: Int, of parts: Int) {
            if parts == runs.count { runs[part] += part + 1 }
        }
    }
}
