/// What a teacher says of the rows of a batch: logits that a model learns beside its targets (Hinton et al. 2015,
/// "Distilling the Knowledge in a Neural Network").
///
/// `L = (1 − α) · L₀ + α · T² · KL(softmax(t / T) ‖ softmax(z / T))`, L₀ being the loss without it, t the teacher's logits
/// and z the model's; the factor T² keeps gradients as large for any T. Memory: rows · V numbers.
public final class SoftTargets: @unchecked Sendable {
    // Sendable: an address; written before a pass, read by it.

    /// V.
    public let classes: Int
    /// α.
    public let share: Float
    /// T.
    public let temperature: Float
    private let rows: Int
    private let memory: AlignedMemory

    /// Room for `rows` rows of a batch.
    ///
    /// - Throws: `HeedError` (`io`) when memory is refused.
    public init(rows: Int, classes: Int, share: Float, temperature: Float) throws {
        (self.rows, self.classes, self.share, self.temperature) = (rows, classes, share, temperature)
        memory = try AlignedMemory(byteCount: max(rows * classes, 1) * MemoryLayout<Float>.stride)
    }

    /// [rows, V].
    package var logits: UnsafeMutablePointer<Float> { memory.floats }

    /// Takes the logits of the teacher's last pass.
    public func take(_ values: PassValues) {
        guard values.columns == classes, values.rows <= rows else { return }
        values.withRows(0..<values.rows) { numbers in
            guard let base = numbers.baseAddress else { return }
            memory.floats.update(from: base, count: numbers.count)
        }
    }

    func require(classes: Int) throws(ShapeMismatch) {
        guard classes == self.classes else {
            throw ShapeMismatch("a teacher of another vocabulary", expected: "\(classes)", got: "\(self.classes)")
        }
    }

    /// What a formula says of it.
    static func term(_ teacher: SoftTargets?) -> String {
        teacher == nil ? "" : "; L ← (1 − α) · L + α · T² · KL(softmax(t/T) ‖ softmax(z/T))"
    }
}
