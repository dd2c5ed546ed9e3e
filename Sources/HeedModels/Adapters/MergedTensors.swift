import HeedSupport
import HeedTensor
import HeedWeights

/// The tensors of a model with an adapter added to them: `W + s · B · A`, computed when a tensor is asked for.
///
/// Memory: one matrix at a time, and the adapter.
public struct MergedTensors: TensorSource {
    private let model: any TensorSource
    private let adapter: any TensorSource
    private let modules: [String: AdapterPlan.Module]
    private let kept: [String: String]

    public let tensors: [StoredTensor]
    private let positions: [String: Int]

    public var place: String { model.place }

    /// The model in `folder` with the adapter in `adapter`.
    ///
    /// - Throws: `HeedError` naming what of either is missing, of another shape or not implemented.
    public init(folder: String, adapter: String) throws {
        let stored = try ModelFolder(folder)
        let (architecture, _) = ParameterLayout.declare { stored.configuration.declare(in: $0) }
        let checkpoint = stored.family.definition.tensors(architecture)
        var checked = stored
        try checked.check(checkpoint)
        guard let (plan, source, _) = try Adaptation(adapter: .folder(adapter)).plan(checkpoint), let source else {
            throw HeedError(.missing, "there is no adapter", in: adapter)
        }
        model = stored.source
        self.adapter = source
        func named(_ tensor: CheckpointTensor) throws -> String {
            try stored.source.required(tensor.name(in: stored.source) ?? tensor.name).name
        }
        modules = try Dictionary(
            plan.modules.map { (try named($0.tensor), $0) }, uniquingKeysWith: { first, _ in first })
        kept = try Dictionary(
            plan.kept.map { (try named($0.tensor), source.tensor(named: $0.name) == nil ? $0.longName : $0.name) },
            uniquingKeysWith: { first, _ in first })
        for module in plan.modules where module.isTied {
            throw HeedError(
                .unsupported,
                "the adapter updates \(quoted(module.name)), which is table and output matrix in one, so that it cannot "
                    + "be merged", in: adapter, advice: "Apply it with --adapter")
        }
        let (modules, kept) = (modules, kept)
        tensors = stored.source.tensors.map { tensor in
            guard modules[tensor.name] != nil || kept[tensor.name] != nil else { return tensor }
            // Blocks cannot be written back without losing what the adapter adds.
            let type = tensor.type.isBlock || !tensor.type.canBeWritten ? .f32 : tensor.type
            return StoredTensor(
                name: tensor.name, type: type, shape: tensor.shape, file: tensor.file, byteRange: tensor.byteRange)
        }
        positions = Dictionary(uniqueKeysWithValues: tensors.enumerated().map { ($1.name, $0) })
    }

    public func tensor(named name: String) -> StoredTensor? { positions[name].map { tensors[$0] } }

    public func withBytes<Result>(
        of tensor: StoredTensor, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result {
        guard let original = model.tensor(named: tensor.name) else { return try model.withBytes(of: tensor, body) }
        var values: [Float]
        if let name = kept[tensor.name] {
            values = try adapter.floats(name)
        } else if let module = modules[tensor.name] {
            values = try model.floats(tensor.name)
            try add(module, to: &values)
        } else {
            return try model.withBytes(of: original, body)
        }
        if let index = values.withUnsafeBufferPointer({ firstNonFinite($0) }) {
            throw HeedError(
                .numeric, "the merged tensor \(quoted(tensor.name, limit: 200)) holds \(values[index])", in: place,
                expected: "finite numbers")
        }
        switch tensor.type {
        case .f16: return try values.map { NumberFormats.binary16($0).littleEndian }.withUnsafeBytes(body)
        case .bf16: return try values.map { NumberFormats.bfloat16($0).littleEndian }.withUnsafeBytes(body)
        case .f64: return try values.map { Double($0) }.withUnsafeBytes(body)
        default: return try values.withUnsafeBytes(body)
        }
    }

    /// Adds `s · B · A` in the order of the file; sums over r in double precision.
    private func add(_ module: AdapterPlan.Module, to values: inout [Float]) throws {
        let (a, b) = (try adapter.floats(module.down), try adapter.floats(module.up))
        let (out, width, rank) = (module.tensor.extents[0], module.tensor.extents[1], module.rank)
        let scale = Double(module.scale)
        var row = [Double](repeating: 0, count: width)
        for o in 0..<out {
            for i in 0..<width { row[i] = 0 }
            for k in 0..<rank {
                // The table of a look-up is Aᵀ · Bᵀ.
                let factor = scale * Double(module.isLookup ? a[k * out + o] : b[o * rank + k])
                for i in 0..<width {
                    row[i] += factor * Double(module.isLookup ? b[i * rank + k] : a[k * width + i])
                }
            }
            for i in 0..<width {
                let place = module.tensor.transposed ? i * out + o : o * width + i
                values[place] = Float(Double(values[place]) + row[i])
            }
        }
    }
}
