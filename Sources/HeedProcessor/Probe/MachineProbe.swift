import CHeedKernels
import HeedSupport
import HeedTensor

/// What this machine can do at best, by the kernels' own instruction set: the line that speeds are held against.
public struct MachineProbe {
    private let runtime: Runtime

    /// A probe of the kernels and threads of `runtime`.
    public init(_ runtime: Runtime) { self.runtime = runtime }

    /// What multiplies and adds.
    public enum Unit: Sendable {
        /// Fused multiply-adds of 32-bit floats.
        case float32
        /// Products of bf16 pairs, added in fp32: the processor's own where it has them.
        case bfloat16
        /// Products of bytes, added as integers: the processor's own where it has them.
        case int8
    }

    /// Operations per second of a unit in registers, a product and a sum counting two, all threads together.
    public func peakOperations(_ unit: Unit = .float32) -> Double {
        let rounds = 200_000
        let table = runtime.kernels.table.pointee
        let (kernel, share, precision) =
            switch unit {
            case .float32: (table.probe_products, 1.0, HEED_F32)
            case .bfloat16: (table.probe_bf16, 2.0, table.bf16)
            case .int8: (table.probe_integer, 4.0, table.integer)
            }
        return best { sink in
            measure(
                kernel,
                heed_probe(
                    rounds: Int64(rounds), data: nil, count: 0, sink: sink, precision: Int32(precision.rawValue)))
        }.map { Double(rounds) * share * Double(table.probe_operations) * Double(runtime.team.count) / $0 } ?? 0
    }

    /// Bytes per second of reading `bytes` (more than the caches hold), all threads together.
    ///
    /// - Throws: `HeedError` (`io`) when memory is refused.
    public func readBandwidth(bytes: Int = 512 << 20) throws -> Double {
        let memory = try AlignedMemory(byteCount: bytes)
        for offset in stride(from: 0, to: bytes, by: 4096) {
            memory.base.storeBytes(of: 1, toByteOffset: offset, as: UInt8.self)
        }
        return best { sink in
            measure(
                runtime.kernels.table.pointee.probe_read,
                heed_probe(rounds: 0, data: memory.floats, count: Int64(bytes / 4), sink: sink, precision: 0))
        }.map { Double(bytes) / $0 } ?? 0
    }

    private func best(_ body: (UnsafeMutablePointer<Float>) -> Double?) -> Double? {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: 16 * runtime.team.count) { sink in
            guard let base = sink.baseAddress else { return nil }
            // A new thread may share its first milliseconds' core with another, until the system moves one of them.
            let clock = ContinuousClock()
            let began = clock.now
            var least: Double?
            var runs = 0
            while runs < 5 || clock.now - began < .milliseconds(250) {
                guard let taken = body(base) else { return nil }
                least = min(least ?? taken, taken)
                runs += 1
            }
            return least
        }
    }

    private func measure(_ kernel: heed_kernel, _ arguments: heed_probe) -> Double? {
        return withUnsafePointer(to: arguments) { arguments in
            let step = Step(kernel: kernel, arguments: arguments, rows: nil, shareFrom: 0)
            return withUnsafePointer(to: step) { step in
                let clock = ContinuousClock()
                let taken = clock.measure { runtime.team.run(UnsafeBufferPointer(start: step, count: 1)) }
                return taken.inSeconds
            }
        }
    }
}
