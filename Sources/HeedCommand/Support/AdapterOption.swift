import ArgumentParser
import Heed
import HeedTensor

/// An adapter on a model: for every command that runs one.
struct AdapterOption: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "An adapter to put on the model: a folder in the PEFT layout.",
            discussion: "It is applied as it is; heed convert merges it into the weights.", valueName: "folder"))
    var adapter: String?

    /// Loads a model with the adapter, and says on standard error what a user should know of it.
    ///
    /// - Throws: `HeedError` naming file and key or tensor.
    func load(_ folder: String, weights: WeightForm = .stored) throws -> Model {
        try Model.loadTelling(folder: folder, .running(adapter), weights: weights)
    }
}
