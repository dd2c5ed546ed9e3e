import CHeedKernels
import HeedSupport

/// Where each parameter lies in the buffers of a model: first all that decay, then all that do not.
///
/// Values, gradients and both moments share one layout, so that clip and AdamW are one pass over two ranges.
public struct ParameterLayout: Sendable {
    /// Every parameter in the order of declaration.
    public let parameters: [Parameter]
    /// The elements of a buffer, padding included.
    public let count: Int
    /// The elements that weight decay touches: `0 ..< decayed`.
    public let decayed: Int
    private let offsets: [Int]
    private let initials: [Initialiser]
    private let learned: [Bool]

    /// Collects what `declare` declares in a fresh scope, and returns its result beside the layout.
    public static func declare<Model>(_ declare: (ParameterScope) throws -> Model) rethrows -> (
        model: Model, layout: ParameterLayout
    ) {
        let registry = ParameterRegistry()
        let model = try declare(ParameterScope(registry: registry, path: ""))
        return (model, ParameterLayout(registry.entries))
    }

    init(_ entries: [ParameterRegistry.Entry]) {
        parameters = entries.map(\.parameter)
        initials = entries.map(\.initial)
        learned = entries.map(\.learned)
        var offsets = [Int](repeating: 0, count: entries.count)
        var next = 0
        var decayed = 0
        for wanted in [true, false] {
            for (index, entry) in entries.enumerated() where entry.decays == wanted {
                offsets[index] = next
                next += (entry.parameter.count + 15) / 16 * 16  // every tensor begins on a cache line
            }
            if wanted { decayed = next }
        }
        self.offsets = offsets
        count = next
        self.decayed = decayed
    }

    /// The first element of `parameter` in every buffer.
    public func offset(of parameter: Parameter) -> Int { offsets[parameter.index] }

    /// The number of learned numbers, padding and constants not counted.
    public var learnedCount: Int { parameters.reduce(0) { $0 + (isLearned($1) ? $1.count : 0) } }

    /// Whether training moves `parameter`.
    public func isLearned(_ parameter: Parameter) -> Bool { learned[parameter.index] }

    /// The parameter that holds element `offset` of a buffer, for messages.
    public func parameter(at offset: Int) -> Parameter? {
        parameters.first { self.offset(of: $0) <= offset && offset < self.offset(of: $0) + $0.count }
    }

    /// How `parameter` begins.
    public func initial(of parameter: Parameter) -> Initialiser { initials[parameter.index] }
}

/// One number per learned number of a model: values, gradients or a moment.
public final class ParameterBuffer: @unchecked Sendable {
    // Sendable: an address and a layout; concurrent use is governed by who holds the plan.

    /// Where each tensor lies.
    public let layout: ParameterLayout
    private let memory: AlignedMemory

    /// A buffer of zeros.
    ///
    /// - Throws: `HeedError` (`io`) when memory is refused.
    public init(_ layout: ParameterLayout) throws {
        self.layout = layout
        memory = try AlignedMemory(byteCount: layout.count * MemoryLayout<Float>.stride)
    }

    /// All elements, `layout.count` of them.
    public var base: UnsafeMutablePointer<Float> { memory.floats }

    /// The elements of one parameter.
    public subscript(parameter: Parameter) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(start: base + layout.offset(of: parameter), count: parameter.count)
    }

    /// Fills every tensor as declared. Each element depends on `seed`, the tensor's place and the element's index only.
    public func initialise(seed: UInt64) {
        for parameter in layout.parameters {
            let values = self[parameter]
            switch layout.initial(of: parameter) {
            case .zeros: values.update(repeating: 0)
            case .ones: values.update(repeating: 1)
            case .normal(let deviation):
                RandomSource(seed: seed, purpose: .initialisation, step: UInt32(parameter.index))
                    .fillNormal(values, deviation: deviation)
            case .uniform(let bound):
                RandomSource(seed: seed, purpose: .initialisation, step: UInt32(parameter.index))
                    .fillUniform(values, bound: bound)
            }
        }
    }

    /// The first element that is not finite, or nil. Cost: one pass over the buffer.
    public func firstNonFinite() -> (parameter: Parameter, element: Int)? {
        for parameter in layout.parameters {
            for (index, value) in self[parameter].enumerated() where !value.isFinite {
                return (parameter, index)
            }
        }
        return nil
    }
}
