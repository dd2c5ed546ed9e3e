import HeedSupport
import HeedTensor
import HeedWeights

/// What a folder says of its model before any weight is read: configuration, headers, and what is odd about them.
struct ModelFolder {
    /// The family.
    let family: Family
    /// The shape that the weights have.
    let configuration: Configuration
    /// `config.json`, corrected where the weights are known to differ.
    let document: JSONObject
    /// Ids with a meaning for generation.
    let specials: SpecialIds
    /// The weights.
    let source: any TensorSource
    /// The folder or file, found.
    let path: String
    /// What a user should know: sentences without a full stop.
    private(set) var warnings: [String]

    /// Reads `config.json`, `generation_config.json` and the headers of the weights, or what a GGUF file or a llama2.c
    /// checkpoint says of them.
    ///
    /// - Throws: `HeedError` naming file and key or tensor.
    init(_ folder: String) throws {
        let stored = try StoredModel(path: folder)
        let reader = try ConfigurationReader(.object(stored.document), file: stored.file)
        let said: Configuration
        (family, said, warnings) = try Family.read(reader)
        source = stored.weights
        path = stored.path
        configuration = try family.definition.reconciled(said, with: source)
        var document = reader.object
        if configuration != said { document["tie_word_embeddings"] = .bool(configuration.isTied) }
        if configuration.isTied != said.isTied {
            warnings.append(
                "\(reader.file): tie_word_embeddings is true, but the output matrix of the weights differs from the "
                    + "embedding table, and counts")
        }
        self.document = document
        specials = try SpecialIds(reader, folder: stored.path, vocabulary: configuration.vocabulary, &warnings)
    }

    /// Holds the headers against the published names of the layers.
    ///
    /// - Throws: `HeedError` naming a tensor that is missing, of another shape, given twice or unknown.
    mutating func check(_ checkpoint: [CheckpointTensor]) throws {
        if let warning = try checkpoint.check(source) { warnings.append(warning) }
    }
}

extension Family {
    /// The family and shape that `config.json` names, and what is odd about it.
    ///
    /// - Throws: `HeedError` naming the key that is missing, wrong, in contradiction or not implemented.
    static func read(_ reader: ConfigurationReader) throws -> (Family, Configuration, warnings: [String]) {
        let family = try Family(reading: reader)
        let configuration = try family.definition.configuration(reader)
        try ModelSize(configuration).check(reader)
        let warning = try family.definition.keys.check(reader, family: family.name)
        return (family, configuration, warning.map { [$0] } ?? [])
    }
}

extension StoredModel {
    /// `config.json` with what it leaves to its family's defaults written out, for formats that have no defaults.
    ///
    /// A family that Heed does not compute has what its file says.
    /// - Throws: `HeedError` naming the key that is missing, wrong, in contradiction or not implemented.
    package func wholeDocument() throws -> JSONObject {
        let reader = try ConfigurationReader(.object(document), file: file)
        let name = try reader.string("model_type")
        guard Family.all.contains(where: { $0.name == name }) else { return document }
        let (family, configuration, _) = try Family.read(reader)
        var whole = reader.object
        for (key, value) in try family.definition.document(configuration) where whole[key]?.isNull ?? true {
            // BLOOM's positions have no end: what its file does not say is no default.
            if key != "seq_length" { whole[key] = value }
        }
        return whole
    }
}

extension Configuration {
    /// Whether the output matrix, where there is one, is the embedding table.
    var isTied: Bool {
        switch self {
        case .decoder(let configuration): configuration.tied
        case .encoder(let configuration): configuration.tied
        case .encoderDecoder(let configuration): configuration.tied
        }
    }
}
