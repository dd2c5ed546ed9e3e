import HeedSupport
import Testing

@Suite("memory of the process")
struct ProcessMemoryTests {
    @Test("code runs on after its pages were given back, and what is touched is resident")
    func memory() throws {
        let small = residentMemory()
        giveBackStart(beside: .max)
        let bytes = [UInt8](repeating: 1, count: 32 << 20)
        #expect(bytes.reduce(0) { $0 + Int($1) } == 32 << 20)
        let large = withExtendedLifetime(bytes) { residentMemory() }
        #expect(small > 1 << 20 && large > 32 << 20)
        #expect(peakMemory() >= large)
    }
}
