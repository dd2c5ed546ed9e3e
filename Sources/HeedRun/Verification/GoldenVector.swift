import HeedModels
import HeedSupport
import HeedTensor
import HeedWeights

/// What a saved model folder is to give, kept beside its weights: a digest of them, what a pass over a few ids computes,
/// and the ids of a sentence. A flipped bit, a swapped tokenizer or a changed configuration no longer gives it.
public struct GoldenVector: Sendable, Equatable {
    private static let fileName = ModelFolderFiles.verification

    /// A digest of every number of the weights, in the order of their names.
    public let weights: UInt64
    /// The first numbers of the last row that the pass computes.
    public let outputs: [Float]
    /// The ids of `text`; nil where there is no tokenizer.
    public let ids: [Int32]?

    /// A sentence with what tokenizers treat apart: cases, digits, accents, other scripts, spaces.
    public static let text = "The 3 naïve foxes don't jump 42 times;  Привет, 世界! Ωmega\n"
    private static let rowLength = 8
    private static let outputCount = 16

    /// Computes what the model in `folder` gives now.
    ///
    /// - `encode`: text to ids, where the folder has a tokenizer.
    /// - Throws: `HeedError` naming file and tensor that cannot be read.
    /// Cost: one pass over the bytes of the weights, and a forward pass over eight ids.
    public init(folder: String, encode: ((String) throws -> [Int32])?, runtime: any Backend) throws {
        weights = try GoldenVector.digest(of: openWeights(folder: folder))
        outputs = try GoldenVector.outputs(of: Model.load(folder: folder), runtime)
        ids = try encode.map { try $0(GoldenVector.text) }
    }

    /// Reads what was kept when `folder` was saved, or nil where nothing was.
    ///
    /// - Throws: `HeedError` naming the file that is no such record.
    public init?(keptIn folder: String) throws {
        let path = joinPath(folder, GoldenVector.fileName)
        guard fileExists(path) else { return nil }
        let json = try JSON.load(path: path, maximumDepth: 8)
        guard let weights = json["weights"]?.stringValue.flatMap({ UInt64($0, radix: 16) }),
            let bits = json["outputs"]?.arrayValue, json["text"]?.stringValue == GoldenVector.text
        else {
            throw HeedError(
                .badInput, "is no record of what the model gives", in: path,
                advice: "Delete it where it is of another program")
        }
        self.weights = weights
        outputs = bits.compactMap { $0.doubleValue.map { Float($0) } }
        ids = json["ids"]?.arrayValue?.compactMap { $0.intValue.flatMap { Int32(exactly: $0) } }
    }

    /// Writes the record into `folder`, by rename.
    public func write(folder: String) throws {
        let document: JSONObject = [
            "weights": .string(String(weights, radix: 16)),
            "outputs": .array(outputs.map { .number(Double($0)) }),
            "text": .string(GoldenVector.text),
            "ids": ids.map { .array($0.map { .integer(Int($0)) }) } ?? .null,
        ]
        try writeAtomically(
            path: joinPath(folder, GoldenVector.fileName), text: JSON.object(document).serialised(pretty: true) + "\n")
    }

    /// Holds what the folder gives now against this record.
    ///
    /// - Throws: `HeedError` (`badInput`) that says which part is another than it was.
    public func check(_ now: GoldenVector, folder: String) throws {
        guard weights == now.weights else {
            throw HeedError(
                .badInput, "the weights are not the ones that were saved", in: folder,
                expected: "the digest \(String(weights, radix: 16))", got: String(now.weights, radix: 16),
                advice:
                    "Copy or download the folder again, or delete \(GoldenVector.fileName) where the change is wanted")
        }
        if let ids, ids != now.ids {
            throw HeedError(
                .badInput, "the tokenizer is not the one that was saved: it gives other ids", in: folder,
                expected: "\(ids.prefix(8))…", got: now.ids.map { "\($0.prefix(8))…" } ?? "no tokenizer",
                advice: "Put the tokenizer of the model back")
        }
        // Processors may differ in the last bits; a configuration that was changed differs in the first.
        let size = outputs.reduce(0) { max($0, abs($1)) }
        let isSame =
            outputs.count == now.outputs.count
            && zip(outputs, now.outputs).allSatisfy {
                abs($0 - $1) <= 1e-5 * size
            }
        guard isSame else {
            throw HeedError(
                .badInput, "the model computes other numbers than when it was saved, from the same weights", in: folder,
                expected: "\(outputs.prefix(3))…", got: "\(now.outputs.prefix(3))…",
                advice: "Put config.json back as it was")
        }
    }

    private static func digest(of source: any TensorSource) throws -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        func mix(_ word: UInt64) {
            hash = (hash ^ word) &* 0x9E37_79B9_7F4A_7C15
            hash ^= hash >> 29
        }
        for tensor in source.tensors.sorted(by: { $0.name < $1.name }) {
            for byte in tensor.name.utf8 { mix(UInt64(byte)) }
            try source.withBytes(of: tensor) { bytes in
                let words = bytes.count / 8
                for index in 0..<words {
                    mix(bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
                }
                for index in words * 8..<bytes.count { mix(UInt64(bytes[index])) }
            }
        }
        return hash
    }

    private static func outputs(of model: Model, _ runtime: any Backend) throws -> [Float] {
        func row(_ vocabulary: Int) -> [Int64] { (0..<rowLength).map { Int64(($0 * 7919 + 3) % vocabulary) } }
        var input = TensorFile()
        let context =
            switch model.architecture {
            case .decoder(let layers): layers.configuration.context
            case .encoder(let layers): layers.configuration.context
            case .encoderDecoder(let layers): layers.configuration.context
            }
        let count = min(rowLength, context)
        input.append(
            "input_ids", shape: [1, count], integers: Array(row(model.architecture.sourceVocabulary)[..<count]))
        if case .encoderDecoder(let layers) = model.architecture {
            input.append("decoder_input_ids", shape: [1, 1], integers: [Int64(layers.configuration.start)])
        }
        let output = try ForwardPass(model, options: PassOptions(), runtime: runtime).run(input)
        for name in ["logits", "prediction_logits", "last_hidden_state"] {
            guard let entry = output[name], case .floats(let values) = entry.values, let width = entry.shape.last else {
                continue
            }
            return Array(values.suffix(width).prefix(outputCount))
        }
        return []
    }
}
