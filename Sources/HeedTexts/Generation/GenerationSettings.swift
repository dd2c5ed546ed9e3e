import HeedGenerate
import HeedModels
import HeedSupport

extension GenerationDefaults {
    /// The defaults of a model: those of its folder's `generation_config.json`; none for a file.
    package init(model path: String) throws {
        if isDirectory(path) { try self.init(folder: path) } else { self.init() }
    }

    /// The options for a model where a caller says nothing: its folder's, its end ids, and no more new ids than its
    /// context holds; 128 new ids where the folder says nothing.
    package func options(for model: Model, context: Int) -> GenerationOptions {
        var options = options
        if !setsLength { options.maxNewTokens = GenerationDefaults.usualNewTokens }
        // One more than fits: the last id is not read.
        options.maxLength = min(options.maxLength ?? .max, context + 1)
        options.endTokens = model.usableEnds
        return options
    }

    /// New ids where none are asked for.
    package static let usualNewTokens = 128
}
