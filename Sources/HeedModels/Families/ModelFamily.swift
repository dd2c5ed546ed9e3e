import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights

/// A published family: what its files say and what they are called, in both directions.
///
/// A family is one file and one line in `Family.all`. Most conform to the protocol of their kind of transformer below.
public protocol ModelFamily: Sendable {
    /// What `model_type` in `config.json` says.
    var name: String { get }
    /// Keys of `config.json` that the family knows without reading them.
    var keys: ConfigurationKeys { get }
    /// The shape that the keys describe.
    ///
    /// - Throws: `HeedError` naming the key that is missing, of another type, out of range or in contradiction.
    func configuration(_ reader: ConfigurationReader) throws -> Configuration
    /// The shape that the files have where they are known to differ from the configuration beside them.
    ///
    /// - Throws: `HeedError` naming tensors that contradict each other.
    func reconciled(_ configuration: Configuration, with source: any TensorSource) throws -> Configuration
    /// The keys of a shape, without those that all families share. They need not say everything: what is written is
    /// read again, and refused where it comes out otherwise.
    ///
    /// - Throws: `HeedError` (`unsupported`) where the shape is of another kind of transformer.
    func document(_ configuration: Configuration) throws -> JSONObject
    /// What `transformers` calls the class of such a model.
    func className(_ configuration: Configuration) -> String
    /// The published names of all parameters.
    func tensors(_ architecture: Architecture) -> [CheckpointTensor]
    /// The parts that the family's encoders have for the head that `configuration` names.
    func complete(_ configuration: inout EncoderConfiguration)
}

extension ModelFamily {
    public func reconciled(_ configuration: Configuration, with source: any TensorSource) throws -> Configuration {
        configuration
    }
    public func complete(_ configuration: inout EncoderConfiguration) {}

    func unsayable(_ what: String) -> HeedError {
        HeedError(
            .unsupported, "the \(name) files have no words for this configuration: \(what)",
            advice: "Choose another family or change the configuration.")
    }
}

/// A family of decoders.
protocol DecoderFamily: ModelFamily {
    var className: String { get }
    func decoder(_ reader: ConfigurationReader) throws -> DecoderConfiguration
    func document(_ c: DecoderConfiguration) -> JSONObject
    func tensors(_ decoder: TransformerDecoder) -> [CheckpointTensor]
    /// The names of the output matrix and of the embedding table, as files have them.
    var tiedNames: (head: [String], table: [String]) { get }
}

extension DecoderFamily {
    func configuration(_ reader: ConfigurationReader) throws -> Configuration { .decoder(try decoder(reader)) }

    /// The output matrix of the file counts where the configuration says that it is the table, but it is another.
    func reconciled(_ configuration: Configuration, with source: any TensorSource) throws -> Configuration {
        guard case .decoder(var c) = configuration, c.tied else { return configuration }
        c.tied = try !source.differ(tiedNames.head, tiedNames.table)
        return .decoder(c)
    }

    func document(_ configuration: Configuration) throws -> JSONObject {
        guard case .decoder(let c) = configuration else { throw unsayable("it is no decoder") }
        return document(c)
    }

    func className(_ configuration: Configuration) -> String { className }

    func tensors(_ architecture: Architecture) -> [CheckpointTensor] {
        guard case .decoder(let decoder) = architecture else { return [] }
        return tensors(decoder)
    }
}

/// A family of encoders.
protocol EncoderFamily: ModelFamily {
    /// The classes of `transformers` and what stands on their states.
    func heads(labels: Int) -> KeyValuePairs<String, EncoderHead>
    func encoder(_ reader: ConfigurationReader) throws -> EncoderConfiguration
    func document(_ c: EncoderConfiguration) -> JSONObject
    func tensors(_ encoder: TransformerEncoder) -> [CheckpointTensor]
    /// What the names of the body begin with where a head stands on it.
    var bodyPrefix: String { get }
    /// The names of the output matrix and, in the body, of the embedding table, as files have them.
    var tiedNames: (head: String, table: String) { get }
}

extension EncoderFamily {
    func configuration(_ reader: ConfigurationReader) throws -> Configuration { .encoder(try encoder(reader)) }

    /// The output matrix of the file counts where the configuration says that it is the table, but it is another.
    func reconciled(_ configuration: Configuration, with source: any TensorSource) throws -> Configuration {
        guard case .encoder(var c) = configuration else { return configuration }
        func names(_ name: String) -> [String] { [bodyPrefix + name, name] }
        // A model without the pooler that its class has is what files of sentence encoders hold.
        if c.head == .none, !names("pooler.dense.weight").contains(where: { source.tensor(named: $0) != nil }) {
            c.hasPooler = false
        }
        if c.tied, c.predictsIds { c.tied = try !source.differ([tiedNames.head], names(tiedNames.table)) }
        return .encoder(c)
    }

    func document(_ configuration: Configuration) throws -> JSONObject {
        guard case .encoder(let c) = configuration else { throw unsayable("it is no encoder") }
        guard heads(labels: c.labels ?? 0).contains(where: { $0.value == c.head }) else { throw unsayable("its head") }
        return document(c)
    }

    func className(_ configuration: Configuration) -> String {
        guard case .encoder(let c) = configuration else { return "" }
        return heads(labels: c.labels ?? 0).first { $0.value == c.head }?.key ?? ""
    }

    func tensors(_ architecture: Architecture) -> [CheckpointTensor] {
        guard case .encoder(let encoder) = architecture else { return [] }
        return tensors(encoder)
    }

    /// The head of the class that `architectures` names, by default the first that the family has.
    func head(_ reader: ConfigurationReader) throws -> (head: EncoderHead, names: [String]) {
        let given = try reader.optionalObject("id2label")
        let count = try reader.integer("num_labels", in: 1...1 << 20, default: 2)
        _ = reader.value("label2id")  // the same the other way round
        let labels = given.map { max($0.object.count, 1) } ?? count
        let known = heads(labels: labels)
        guard let name = try reader.strings("architectures").first ?? known.first?.key,
            let head = known.first(where: { $0.key == name })?.value
        else {
            throw reader.contradiction(
                "architectures", "names a class that is not known",
                expected: known.map(\.key).joined(separator: ", "),
                got: try reader.strings("architectures").first.map { quoted($0) })
        }
        switch head {
        case .sequenceClassifier, .tokenClassifier: break
        default: return (head, [])
        }
        let names = (0..<labels).compactMap { given?.object[String($0)]?.stringValue }
        let says = names.enumerated().contains { $1 != "LABEL_\($0)" }
        return (head, names.count == labels && says ? names : [])
    }
}

/// A family of encoder-decoders.
protocol EncoderDecoderFamily: ModelFamily {
    var className: String { get }
    func encoderDecoder(_ reader: ConfigurationReader) throws -> EncoderDecoderConfiguration
    func document(_ c: EncoderDecoderConfiguration) -> JSONObject
    func tensors(_ model: EncoderDecoder) -> [CheckpointTensor]
    /// The names of the table of both sides, of each side's own, and of the output matrix, as files have them.
    var tableNames: (shared: [String], source: [String], target: [String], head: [String]) { get }
}

extension EncoderDecoderFamily {
    func configuration(_ reader: ConfigurationReader) throws -> Configuration {
        .encoderDecoder(try encoderDecoder(reader))
    }

    func reconciled(_ configuration: Configuration, with source: any TensorSource) throws -> Configuration {
        try tablesReconciled(configuration, with: source)
    }

    /// Tables of the file count where the configuration says that they are one, but they are several.
    func tablesReconciled(_ configuration: Configuration, with source: any TensorSource) throws -> Configuration {
        guard case .encoderDecoder(var c) = configuration else { return configuration }
        let names = tableNames
        let (read, written) = (names.source + names.shared, names.target + names.shared)
        if c.sharedTable { c.sharedTable = try !source.differ(read, written) }
        if c.tied { c.tied = try !source.differ(names.head, written) }
        return .encoderDecoder(c)
    }

    func document(_ configuration: Configuration) throws -> JSONObject {
        guard case .encoderDecoder(let c) = configuration else { throw unsayable("it is no encoder-decoder") }
        return document(c)
    }

    func className(_ configuration: Configuration) -> String { className }

    func tensors(_ architecture: Architecture) -> [CheckpointTensor] {
        guard case .encoderDecoder(let model) = architecture else { return [] }
        return tensors(model)
    }
}
