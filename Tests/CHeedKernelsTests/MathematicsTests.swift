import CHeedKernels
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

func power(_ x: Double, _ y: Double) -> Double { pow(x, y) }
func cosine(_ x: Double) -> Double { cos(x) }
func sine(_ x: Double) -> Double { sin(x) }

/// The project's own functions, over samples of all floats, against the C library in double precision.
@Suite struct MathematicsTests {
    struct Function: Sendable, CustomStringConvertible {
        var name: String
        var reference: @Sendable (Double) -> Double
        /// Largest error in units in the last place; the bound that the comments in mathematics.inc state.
        var bound: Double
        var map: heed_function?
        var activation = HEED_IDENTITY
        var description: String { name }

        func callAsFunction(_ x: [Float], _ isa: heed_isa, parts: Int = 1) -> [Float] {
            withMemory { memory in
                let y = memory.nan(x.count)
                if let map {
                    let call = heed_map(
                        x: memory.floats(x), y: y, count: Int64(x.count), function: Int32(map.rawValue))
                    run(Machine(isa: isa).kernels.map, call, parts: parts)
                } else {
                    var call = heed_activate()
                    call.window = memory.window(1)
                    call.x = UnsafePointer(memory.floats(x))
                    call.y = y
                    call.columns = Int32(x.count)
                    call.activation = Int32(activation.rawValue)
                    run(Machine(isa: isa).kernels.activate, call, parts: parts)
                }
                return y.array(x.count)
            } ?? []
        }
    }

    static let functions = [
        Function(name: "exp", reference: { exp($0) }, bound: 1, map: HEED_EXP),
        Function(name: "log", reference: { log($0) }, bound: 1, map: HEED_LOG),
        Function(name: "erf", reference: { erf($0) }, bound: 1.2, map: HEED_ERF),
        Function(name: "sin", reference: { sin($0) }, bound: 0.51, map: HEED_SIN),
        Function(name: "cos", reference: { cos($0) }, bound: 0.51, map: HEED_COS),
        Function(name: "tanh", reference: { tanh($0) }, bound: 1.6, activation: HEED_TANH),
    ]

    /// Every 9,973rd bit pattern of both signs: all exponents, denormals, infinities and NaN.
    static let samples: [Float] = stride(from: UInt32(0), to: 0xFFFF_0000, by: 9_973).map { Float(bitPattern: $0) }

    @Test("error in units in the last place, whole range", arguments: functions)
    func error(_ function: Function) {
        for isa in instructionSets {
            let results = function(Self.samples, isa)
            var worst = 0.0
            var worstAt: Float = 0
            var wrong: [Float] = []
            for (x, y) in zip(Self.samples, results) {
                let exact = function.reference(Double(x))
                let nearest = Float(exact)
                if !nearest.isFinite || nearest == 0 {
                    // A result next to the edge of the range may fall on either side of it.
                    let near = nearest.isInfinite && y > Float.greatestFiniteMagnitude.nextDown
                    let same = nearest.isNaN ? y.isNaN : y == nearest
                    if !(same || near || (nearest == 0 && abs(y) <= Float.leastNonzeroMagnitude)) { wrong.append(x) }
                    continue
                }
                let error = abs(Double(y) - exact) / Double(nearest.ulp)
                if !(error <= worst) { (worst, worstAt) = (error.isNaN ? .infinity : error, x) }
            }
            // Without fused multiply-add the reduced argument is rounded once more.
            let bound = isa == HEED_PORTABLE && !portableFuses ? function.bound + 0.7 : function.bound
            #expect(wrong.isEmpty, "\(Machine(isa: isa)) wrong at \(wrong.prefix(4))")
            #expect(worst <= bound, "\(Machine(isa: isa)) at \(worstAt)")
        }
    }

    @Test("special values", arguments: functions)
    func specials(_ function: Function) {
        let x: [Float] = [
            0, -0.0, .infinity, -.infinity, .nan, .leastNonzeroMagnitude, -.leastNonzeroMagnitude, 3e38, -3e38,
        ]
        for isa in instructionSets {
            for (x, y) in zip(x, function(x, isa)) {
                let exact = Float(function.reference(Double(x)))
                #expect(y.isNaN == exact.isNaN, "\(x)")
                if exact.isInfinite || exact == 0 {
                    #expect(y == exact && y.sign == exact.sign, "\(x)")
                }
            }
        }
    }

    @Test(
        "instruction sets with fused multiply-add give the same bits", .enabled(if: fusedInstructionSets.count > 1),
        arguments: functions)
    func bits(_ function: Function) {
        let first = function(Self.samples, fusedInstructionSets[0], parts: 3)
        for isa in fusedInstructionSets.dropFirst() { #expect(sameBits(function(Self.samples, isa), first)) }
    }

    /// Activations over a range where nothing overflows, in absolute terms: their tails may lose relative precision.
    @Test("activations and their slopes are smooth over −30 … 30 and keep infinities sane")
    func activationRange() {
        let x = stride(from: Float(-30), through: 30, by: 0.01).map { $0 }
        for (activation, name) in activations {
            for isa in instructionSets {
                let y = Function(name: name, reference: { $0 }, bound: 0, activation: activation)(x, isa)
                let expected = x.map { activate(Double($0), activation) }
                for i in x.indices {
                    let bound = 1.5e-6 * max(1, abs(expected[i]))
                    if abs(Double(y[i]) - expected[i]) > bound { Issue.record("\(name) at \(x[i]): \(y[i])") }
                }
            }
        }
    }
}
