#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor
import Synchronization
import Testing

@testable import HeedTrain

/// Ranks that are threads of one process and leave each other messages.
private final class ThreadRank: Communicator {
    final class Post: Sendable {
        struct Way: Hashable { let from: Int, to: Int, number: Int? }
        let messages = Mutex<[Way: [[UInt8]]]>([:])
    }

    let rank: Int
    let size: Int
    private let post: Post

    init(rank: Int, size: Int, _ post: Post) {
        (self.rank, self.size, self.post) = (rank, size, post)
    }

    /// What is to come from another rank.
    private final class Pending: PendingExchange {
        let post: Post
        let way: Post.Way
        let receive: UnsafeMutableRawBufferPointer
        private var hasCome = false
        init(_ post: Post, _ way: Post.Way, _ receive: UnsafeMutableRawBufferPointer) {
            (self.post, self.way, self.receive) = (post, way, receive)
        }

        func isDone(waiting: Bool) throws -> Bool {
            let way = way
            hasCome = hasCome || receive.isEmpty
            while !hasCome {
                let message = post.messages.withLock { all -> [UInt8]? in
                    all[way]?.isEmpty == false ? all[way]?.removeFirst() : nil
                }
                if let message {
                    guard message.count == receive.count else { throw HeedError(.io, "a message of another length") }
                    receive.copyBytes(from: message)
                    hasCome = true
                } else {
                    guard waiting else { return false }
                    sched_yield()
                }
            }
            return true
        }
    }

    func exchange(with partner: Int, send: UnsafeRawBufferPointer, receive: UnsafeMutableRawBufferPointer) throws {
        _ = try begin(with: partner, as: nil, send, receive).isDone(waiting: true)
    }

    func begin(
        with partner: Int, number: Int, send: UnsafeRawBufferPointer, receive: UnsafeMutableRawBufferPointer
    ) throws -> any PendingExchange {
        try begin(with: partner, as: number, send, receive)
    }

    private func begin(
        with partner: Int, as number: Int?, _ send: UnsafeRawBufferPointer, _ receive: UnsafeMutableRawBufferPointer
    ) throws -> Pending {
        if !send.isEmpty {
            let message = Array(send)
            post.messages.withLock {
                $0[Post.Way(from: rank, to: partner, number: number), default: []].append(message)
            }
        }
        return Pending(post, Post.Way(from: partner, to: rank, number: number), receive)
    }

    func gather(_ block: UnsafeRawBufferPointer, into all: UnsafeMutableRawBufferPointer) throws {
        for other in 0..<size {
            let place = UnsafeMutableRawBufferPointer(
                rebasing: all[other * block.count..<(other + 1) * block.count])
            if other == rank {
                place.copyMemory(from: block)
            } else {
                try exchange(with: other, send: block, receive: place)
            }
        }
    }

    /// Runs `body` once for each of `size` ranks at the same time.
    static func all(_ size: Int, _ body: @escaping @Sendable (any Communicator) throws -> Void) throws {
        let post = Post()
        let errors = Mutex<[String]>([])
        final class Work {
            let run: () -> Void
            init(_ run: @escaping () -> Void) { self.run = run }
        }
        var threads: [pthread_t] = []
        for rank in 0..<size {
            let work = Unmanaged.passRetained(
                Work {
                    do { try body(ThreadRank(rank: rank, size: size, post)) } catch {
                        errors.withLock { $0.append("rank \(rank): \(error)") }
                    }
                })
            #if canImport(Darwin)
                var thread: pthread_t?
                pthread_create(
                    &thread, nil,
                    { raw in
                        Unmanaged<Work>.fromOpaque(raw).takeRetainedValue().run()
                        return nil
                    }, work.toOpaque())
                if let thread { threads.append(thread) }
            #else
                var thread = pthread_t()
                pthread_create(
                    &thread, nil,
                    { raw in
                        if let raw { Unmanaged<Work>.fromOpaque(raw).takeRetainedValue().run() }
                        return nil
                    }, work.toOpaque())
                threads.append(thread)
            #endif
        }
        for thread in threads { pthread_join(thread, nil) }
        let failures = errors.withLock { $0 }
        if let first = failures.first { throw HeedError(.usage, first) }
    }
}

@Suite("Ranks that share a run")
struct RankTests {
    @Test("slices cover the vector once, and sums are those of a fixed tree", arguments: [1, 2, 4, 8], [0, 1, 7, 64])
    func slices(size: Int, units: Int) throws {
        let results = Mutex<[Int: [Float]]>([:])
        let count = max(units * 3 - 1, 0)
        @Sendable func value(_ rank: Int, _ index: Int) -> Float {
            Float(rank * 31 + index * 7) * 0.37 + 1 / Float(index + 1)
        }
        try ThreadRank.all(size) { ranks in
            let slices = RankSlices(units: units, communicator: ranks)
            // Complete from the end to the beginning, the first third only after all.
            let completions = (0..<units).map { $0 < units / 3 ? Int.max : 1 + (units - $0) / 2 }
            var numbers = (0..<count).map { value(ranks.rank, $0) }
            var scratch = [Float](repeating: 0, count: count + 1)
            try numbers.withUnsafeMutableBufferPointer { numbers in
                try scratch.withUnsafeMutableBufferPointer { scratch in
                    guard let base = numbers.baseAddress, let other = scratch.baseAddress else { return }
                    let exchange = GradientExchange(
                        slices, values: base, scratch: other, count: count, unit: 3, completions: completions)
                    var prepared = 0
                    exchange.begin()
                    for events in 1...max(units, 1) { try exchange.advance(events) { prepared += $0.count } }
                    try exchange.finish { prepared += $0.count }
                    #expect(prepared == count)
                    try slices.collect(UnsafeMutableRawBufferPointer(numbers), unit: 12)
                }
            }
            results.withLock { $0[ranks.rank] = numbers }
        }
        var sums = (0..<size).map { rank in (0..<count).map { value(rank, $0) } }
        while sums.count > 1 {
            sums = stride(from: 0, to: sums.count, by: 2).map { pair in zip(sums[pair], sums[pair + 1]).map { $0 + $1 }
            }
        }
        let found = results.withLock { $0 }
        #expect(found.count == size)
        for rank in 0..<size { #expect(found[rank] == sums[0]) }
        let owners = RankSlices(units: units, communicator: ThreadRank(rank: 0, size: size, .init())).owners
        #expect(owners.flatMap(\.units) == Array(0..<units))
    }

    @Test("what is complete goes off in groups of neighbours, each unit once")
    func groups() {
        typealias Group = GradientExchange.Group
        let groups = GradientExchange.groups([9, 9, 4, 4, 4, 1, 2, .max], atLeast: 2, atMost: 2)
        #expect(
            groups == [
                Group(events: 2, parts: [5..<7]), Group(events: 4, parts: [2..<4, 4..<5]),
                Group(events: 9, parts: [0..<2]),
                Group(events: .max, parts: [7..<8]),
            ])
        #expect(GradientExchange.groups([3, 5, .max], atLeast: 9, atMost: 9).map(\.events) == [5, .max])
        #expect(GradientExchange.groups([], atLeast: 1, atMost: 1) == [])
    }

    /// What a run of `ranks` ranks leaves: weights, state, log.
    private func run(_ small: SmallRun, ranks: Int, folder: String, resume: Bool = false) throws {
        try ThreadRank.all(ranks) { communicator in
            let model = try SmallRun.model()
            var output = TrainingOutput(folder: joinPath(folder, "out"))
            output.log = joinPath(folder, "log.jsonl")
            output.resume = resume
            output.communicator = communicator
            _ = try TrainingRun(
                model, small.data(for: model), small.options, output: output, runtime: Runtime(threads: 1)
            ).run()
        }
    }

    @Test("one, two and four ranks give the same bits, whatever the optimiser", arguments: Optimiser.allCases)
    func sameBits(optimiser: Optimiser) throws {
        var small = SmallRun(steps: 7)
        small.options.step.optimiser = optimiser
        small.options.step.shards = 4
        small.options.step.batch = 8
        small.options.step.average = 0.9
        try small.options.step.cutIntoShards()
        #expect(small.options.step.batch == 2 && small.options.step.accumulate == 4)
        var expected: SmallRun.Result?
        for ranks in [1, 2, 4] {
            let folder = try SmallRun.folder()
            defer { try? removeTree(folder) }
            try run(small, ranks: ranks, folder: folder)
            let result = try SmallRun.result(folder)
            #expect(result.rows.count == 7)
            #expect(expected == nil || expected == result, "\(ranks) ranks")
            expected = expected ?? result
        }
        // The tree is not the chain of a run without shards.
        small.options.step.shards = 1
        #expect(try small.complete().rows.count == 7)
    }

    @Test("a checkpoint of four ranks goes on with two, with one, and ends in the bits of a run left alone")
    func resumes() throws {
        func small(_ steps: Int) -> SmallRun {
            var small = SmallRun(steps: steps)
            small.options.schedule = LearningRateSchedule(.constant, peak: 2e-3, steps: steps)
            (small.options.step.shards, small.options.step.batch, small.options.step.accumulate) = (4, 2, 4)
            small.validation = nil
            return small
        }
        let whole = try SmallRun.folder()
        let parts = try SmallRun.folder()
        defer {
            try? removeTree(whole)
            try? removeTree(parts)
        }
        try run(small(9), ranks: 1, folder: whole)
        for (steps, ranks) in [(3, 4), (6, 2), (9, 1)] {
            try run(small(steps), ranks: ranks, folder: parts, resume: steps > 3)
        }
        let (left, right) = try (SmallRun.result(whole), SmallRun.result(parts))
        #expect(left == right)
    }

    @Test("numbers of ranks and shards that do not fit are refused")
    func refused() throws {
        var options = StepOptions()
        (options.batch, options.accumulate, options.shards) = (3, 2, 4)
        #expect(throws: HeedError.self) { try options.cutIntoShards() }
        (options.batch, options.accumulate, options.context, options.shards) = (2, 4, 8, 4)
        let model = try SmallRun.model()
        for size in [3, 8] {
            let ranks = ThreadRank(rank: 0, size: size, .init())
            #expect(throws: HeedError.self) {
                try TrainingStep(model, options, runtime: Runtime(threads: 1), communicator: ranks)
            }
        }
        options.shards = 3
        #expect(throws: HeedError.self) { try TrainingStep(model, options, runtime: Runtime(threads: 1)) }
    }

    @Test("a damaged checkpoint is told by its checksum, and the one before it is used")
    func damage() throws {
        func small(_ steps: Int) -> SmallRun {
            var small = SmallRun(steps: steps)
            small.options.schedule = LearningRateSchedule(.constant, peak: 2e-3, steps: steps)
            small.options.saveEvery = 2
            return small
        }
        let (whole, folder) = (try SmallRun.folder(), try SmallRun.folder())
        defer {
            try? removeTree(whole)
            try? removeTree(folder)
        }
        _ = try small(8).make(whole).run()
        let expected = try SmallRun.result(whole)
        for change in 0..<2 {
            try? removeTree(folder)
            try createDirectory(folder)
            _ = try small(6).make(folder).run()
            let path = joinPath(folder, "out/training/state.safetensors")
            var bytes = try readFile(path)
            if change == 0 { bytes[bytes.count / 2] ^= 4 } else { bytes.removeLast(bytes.count / 3) }
            try writeAtomically(path: path, bytes: bytes)
            let run = try small(8).make(folder, resume: true)
            _ = try run.run()
            #expect(run.resumedFrom == 4)
            #expect(run.damage?.description.contains("state.safetensors") == true)
            #expect(try SmallRun.result(folder) == expected)
        }
        // Where both are damaged the last one is named.
        for name in ["state", "state-before"] {
            let path = joinPath(folder, "out/training/\(name).safetensors")
            try writeAtomically(path: path, bytes: try readFile(path).dropLast(100) + [0])
        }
        let error = #expect(throws: HeedError.self) { try small(10).make(folder, resume: true).run() }
        #expect(error?.place?.hasSuffix("state.safetensors") == true)
    }

    @Test("the last and the best saves are kept as models")
    func kept() {
        let losses = [1: 3.0, 2: 1.0, 4: 2.0, 5: 1.0]
        #expect(KeptModels(last: 2).choice(of: [1, 2, 3, 4, 5], losses) == [4, 5])
        #expect(KeptModels(best: 2).choice(of: [1, 2, 3, 4, 5], losses) == [2, 5])
        #expect(KeptModels(last: 1, best: 1).choice(of: [5, 4, 3, 2, 1], losses) == [2, 5])
        #expect(KeptModels().choice(of: [1], losses) == [])
    }
}
