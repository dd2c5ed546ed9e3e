import Heed
import HeedTensor

extension Model {
    /// Loads a folder and says on standard error what a user should know of it.
    ///
    /// - Throws: `HeedError` naming file and key or tensor.
    static func loadTelling(
        folder: String, _ adaptation: Adaptation = Adaptation(), weights: WeightForm = .stored
    ) throws -> Model {
        let model = try load(folder: folder, adaptation, weights: weights)
        tell(model.warnings)
        return model
    }
}

extension ModelDescription {
    /// Reads a folder's headers and says on standard error what a user should know of it.
    static func readTelling(folder: String) throws -> ModelDescription {
        let description = try ModelDescription(folder: folder)
        tell(description.warnings)
        return description
    }
}

private func tell(_ warnings: [String]) {
    for warning in warnings { StandardError.write("heed: \(warning).\n") }
}
