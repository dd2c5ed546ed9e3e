import HeedSupport

/// One number per number of a model: values, gradients or a moment.
public final class ParameterBuffer: @unchecked Sendable {
    // Sendable: an address and a layout; concurrent use is governed by who holds the plan.

    /// Where each tensor lies.
    public let layout: ParameterLayout
    /// The number of elements.
    public let count: Int
    private let memory: AlignedMemory

    /// A buffer of zeros for all parameters or, `trainedOnly`, for those that training moves.
    ///
    /// - `sparse`: whether only some parameters will be touched, each announced by `willFill`.
    /// - Throws: `HeedError` (`io`) when memory is refused.
    public init(_ layout: ParameterLayout, trainedOnly: Bool = false, sparse: Bool = false) throws {
        self.layout = layout
        count = trainedOnly ? layout.trained : layout.count
        memory = try AlignedMemory(byteCount: count * MemoryLayout<Float>.stride, sparse: sparse)
    }

    /// Says that all of `parameter` is about to be written.
    func willFill(_ parameter: Parameter) {
        let size = MemoryLayout<Float>.stride
        let start = layout.offset(of: parameter) * size
        memory.useLargePages(start..<start + parameter.count * size)
    }

    /// All elements, `count` of them.
    public var base: UnsafeMutablePointer<Float> { memory.floats }

    /// The elements of one parameter: none where the buffer leaves frozen ones out.
    public subscript(parameter: Parameter) -> UnsafeMutableBufferPointer<Float> {
        let offset = layout.offset(of: parameter)
        guard offset + parameter.count <= count else { return UnsafeMutableBufferPointer(start: nil, count: 0) }
        return UnsafeMutableBufferPointer(start: base + offset, count: parameter.count)
    }

    /// Fills every tensor as declared. Each element depends on `seed`, the tensor's place and the element's index only.
    public func initialise(seed: UInt64) {
        for parameter in layout.parameters {
            layout.initial(of: parameter).fill(self[parameter], seed: seed, of: parameter)
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

extension Initialiser {
    /// Fills the numbers of a parameter as declared. Each depends on `seed`, the parameter's place and the element's index
    /// only.
    package func fill(_ values: UnsafeMutableBufferPointer<Float>, seed: UInt64, of parameter: Parameter) {
        let random = RandomSource(seed: seed, purpose: .initialisation, step: UInt32(parameter.index))
        switch self {
        case .zeros: values.update(repeating: 0)
        case .ones: values.update(repeating: 1)
        case .normal(let deviation): random.fillNormal(values, deviation: deviation)
        case .uniform(let bound): random.fillUniform(values, bound: bound)
        }
    }
}
