import CHeedKernels
import Testing

@testable import HeedTensor

@Suite("Arena layout")
struct ArenaLayoutTests {
    /// Numbers from Philox, the same in every run.
    private struct Numbers {
        let seed: UInt64
        private var place: UInt64 = 0

        init(_ seed: UInt64) { self.seed = seed }

        mutating func below(_ bound: Int) -> Int {
            var word: UInt32 = 0
            heed_philox(seed, 1, 0, place, &word, 1)
            place += 1
            return Int(word) % bound
        }
    }

    @Test("buffers alive together never overlap; offsets are multiples of 64", arguments: 1...40)
    func apart(seed: UInt64) {
        var numbers = Numbers(seed)
        let requests = (0..<(5 + numbers.below(60))).map { _ in
            let first = numbers.below(50)
            return BufferRequest(
                bytes: numbers.below(3_000), firstUse: first, lastUse: first + numbers.below(12))
        }
        let layout = ArenaLayout(requests)
        var smallest = 0
        for (a, x) in requests.enumerated() {
            #expect(layout.offsets[a] % 64 == 0 && layout.offsets[a] >= 0)
            #expect(layout.offsets[a] + x.bytes <= layout.byteCount)
            for (b, y) in requests.enumerated() where b > a && x.firstUse <= y.lastUse && y.firstUse <= x.lastUse {
                let (one, other) = (layout.offsets[a], layout.offsets[b])
                #expect(
                    one + x.bytes <= other || other + y.bytes <= one || x.bytes == 0 || y.bytes == 0,
                    "\(a) and \(b) overlap")
            }
            // What is alive at once has to fit.
            let alive = requests.filter { $0.firstUse <= x.firstUse && x.firstUse <= $0.lastUse }
            smallest = max(smallest, alive.reduce(0) { $0 + $1.bytes })
        }
        #expect(layout.byteCount >= smallest)
        #expect(layout.byteCount <= requests.reduce(0) { $0 + ($1.bytes + 63) / 64 * 64 })
    }

    @Test("buffers one after the other share one place")
    func shared() {
        let layout = ArenaLayout((0..<9).map { .init(bytes: 640, firstUse: 2 * $0, lastUse: 2 * $0 + 1) })
        #expect(layout.byteCount == 640)
        #expect(layout.offsets == [Int](repeating: 0, count: 9))
    }

    @Test("nothing asks for nothing")
    func empty() {
        #expect(ArenaLayout([]).byteCount == 0)
    }
}
