import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor

/// A trained model whose opinion of every next token another learns beside the tokens themselves; it stays as it is.
///
/// See `SoftTargets` for the loss. Cost: a forward pass of the teacher for every micro-batch.
public struct Teacher {
    /// Who teaches.
    public let model: Model
    /// α: the share of the loss that is the teacher's.
    public let share: Double
    /// T: above 1 the unlikely tokens count for more.
    public let temperature: Double
    /// What the bits of a run depend on.
    let identity: String

    /// The decoder in `folder`.
    ///
    /// - Throws: `HeedError` when it cannot be loaded or is no decoder.
    public init(folder: String, share: Double, temperature: Double) throws {
        try self.init(
            Model.load(folder: folder), share: share, temperature: temperature, hash: ModelFiles.hash(folder))
    }

    /// A model in memory, told apart from others by `hash`.
    init(_ model: Model, share: Double, temperature: Double, hash: String) throws {
        _ = try model.decoder
        try requireOption(
            "distillationWeight", share >= 0 && share <= 1, expected: "a number from 0 to 1", got: "\(share)")
        try requireOption(
            "temperature", temperature.isFinite && temperature > 0, expected: "a positive number",
            got: "\(temperature)")
        (self.model, self.share, self.temperature) = (model, share, temperature)
        identity = "\(hash) \(share) \(temperature)"
    }

    /// Throws where it cannot teach `student` sequences of `length` tokens.
    func check(_ student: Model, length: Int) throws {
        _ = try student.decoder
        let (own, others) = (student.architecture.vocabulary, model.architecture.vocabulary)
        try requireOption(
            "teacher", own == others, expected: "a model with the ids of the one that learns (\(own))",
            got: "\(others) ids")
        let longest = try model.decoder.configuration.context
        try requireOption(
            "context", length <= longest, expected: "at most \(longest), the teacher's", got: "\(length)")
    }
}

/// The teacher's part of a step.
final class Teaching {
    /// What the student's pass reads.
    let targets: SoftTargets
    private let pass: Pass<KeptTensor>

    /// Plans the teacher's passes over `input`.
    ///
    /// - Throws: `HeedError` when memory is refused.
    init(
        _ teacher: Teacher, _ input: StepInput, capacity: StepCapacity, precision: Precision, runtime: Runtime
    ) throws {
        let decoder = try teacher.model.decoder
        targets = try SoftTargets(
            rows: capacity.tokens, classes: teacher.model.architecture.vocabulary, share: Float(teacher.share),
            temperature: Float(teacher.temperature))
        pass = try runtime.pass(
            teacher.model.weights, for: .inference, maximumLength: capacity.length, precision: precision
        ) { trace in
            decoder.logits(decoder(input.tokens, in: trace)).kept()
        }
    }

    /// Computes what the teacher says of the input as it stands.
    func run() {
        pass.forward()
        targets.take(pass[pass.outputs])
    }
}
