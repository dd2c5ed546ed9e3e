import HeedSupport
import HeedTensor
import HeedWeights

/// What a folder and an adapter on it declare: layers, published names, and which parameters training moves.
struct DeclaredModel {
    let architecture: Architecture
    /// The model's tensors.
    let checkpoint: [CheckpointTensor]
    let adapter: Adapter?
    /// Parameters of the adapter alone.
    let own: [Parameter]
    /// The names of the parameters that training moves; nil: all.
    let moving: Set<String>?
    /// The adapter's tensors; nil where there is none, or a new one.
    let files: (any TensorSource)?

    /// Declares everything in `scope`.
    ///
    /// - Throws: `HeedError` naming what of the adapter does not fit the model.
    init(_ folder: ModelFolder, _ adaptation: Adaptation, in scope: ParameterScope) throws {
        architecture = folder.configuration.declare(in: scope)
        let checkpoint = folder.family.definition.tensors(architecture)
        self.checkpoint = checkpoint
        if let (plan, source, place) = try adaptation.plan(checkpoint) {
            files = source
            let tensors = try plan.declare(in: scope / "adapter", dropout: adaptation.dropout, place: place)
            let published = Set(checkpoint.map(\.parameter))
            own = tensors.map(\.parameter).filter { !published.contains($0) }
            let document = plan.configuration.json(
                task: architecture.task, base: folder.path, transposed: plan.modules.contains { $0.tensor.transposed })
            adapter = Adapter(configuration: plan.configuration, checkpoint: tensors, document: document)
        } else {
            (files, own, adapter) = (nil, [], nil)
        }
        moving = try adaptation.moving(checkpoint, adapter?.checkpoint).map { Set($0.map(\.name)) }
    }
}
