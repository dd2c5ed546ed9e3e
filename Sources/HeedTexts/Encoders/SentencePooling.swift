import HeedModels
import HeedSupport
import HeedWeights

/// How the states of a sentence become one vector, as `sentence-transformers` says it in `modules.json`.
public struct SentencePooling: Sendable, Equatable {
    /// One way; several stand side by side in the vector.
    public enum Way: String, Sendable, CaseIterable {
        /// The first state.
        case first = "cls"
        /// The largest of each column.
        case largest = "max"
        /// The mean of each column.
        case mean
        /// The sum over the root of the number of tokens.
        case rootMean = "mean_sqrt_len_tokens"
        /// The last state.
        case last = "lasttoken"
    }

    /// What is made of a text's states, one after the other along the columns.
    public var ways: [Way]
    /// Whether vectors get length 1.
    public var normalises: Bool

    /// Pooling in these ways, and division by the norm of the vector where `normalises`.
    public init(_ ways: [Way] = [.mean], normalises: Bool = false) {
        self.ways = ways
        self.normalises = normalises
    }

    /// Reads `modules.json` and the pooling module's `config.json`, or the pooling type of a GGUF file; without them the
    /// mean, as sentence-transformers does.
    ///
    /// - Throws: `HeedError` naming file and key.
    public init(folder: String) throws {
        self.init()
        if !isDirectory(folder), let model = try StoredModel(path: folder).weights as? GGUFModel {
            try read(model.file.metadata)
            return
        }
        let path = joinPath(folder, "modules.json")
        guard fileExists(path) else { return }
        guard let modules = try JSON.load(path: path, maximumDepth: 64).arrayValue else {
            throw HeedError(.badInput, "the file holds no list of modules", in: path)
        }
        for module in modules {
            let kind = module["type"]?.stringValue ?? ""
            if kind.hasSuffix("Normalize") { normalises = true }
            guard kind.hasSuffix("Pooling") else { continue }
            let place = joinPath(joinPath(folder, module["path"]?.stringValue ?? "1_Pooling"), "config.json")
            ways = try SentencePooling.ways(ConfigurationReader(path: place))
        }
    }

    /// The numbers that llama.cpp has for some of the ways.
    private static let numbers: [(Way, UInt32)] = [(.mean, 1), (.first, 2), (.last, 3)]

    /// Takes the way that a GGUF file names, where it names one.
    private mutating func read(_ metadata: GGUFMetadata) throws {
        let key = (try metadata.string("general.architecture") ?? "") + ".pooling_type"
        guard let number = try metadata.integer(key), number != 0 else { return }
        guard let known = SentencePooling.numbers.first(where: { $0.1 == number }) else {
            throw HeedError(
                .unsupported, "\(key) is a way of pooling that is not known", in: metadata.place,
                expected: "0 (none), 1 (mean), 2 (first) or 3 (last)", got: "\(number)")
        }
        ways = [known.0]
    }

    /// Names the way of pooling in the metadata of a GGUF file of `architecture`, as `ARCHITECTURE.pooling_type`; returns
    /// false, and writes nothing, where llama.cpp has no number for it.
    public func write(to metadata: inout GGUFMetadata, architecture: String) -> Bool {
        guard ways.count == 1, let known = SentencePooling.numbers.first(where: { $0.0 == ways[0] }) else {
            return false
        }
        metadata[architecture + ".pooling_type"] = .uint32(known.1)
        return true
    }

    private static func ways(_ reader: ConfigurationReader) throws -> [Way] {
        // Newer files name the ways in one key, older ones have a switch for each.
        if let one = try? reader.optionalString("pooling_mode") {
            guard let way = Way(rawValue: one) else { throw unknown(one, reader) }
            return [way]
        }
        let switches: [(String, Way?)] = [
            ("pooling_mode_cls_token", .first), ("pooling_mode_max_tokens", .largest),
            ("pooling_mode_mean_tokens", .mean), ("pooling_mode_mean_sqrt_len_tokens", .rootMean),
            ("pooling_mode_weightedmean_tokens", nil), ("pooling_mode_lasttoken", .last),
        ]
        var ways: [Way] = []
        for (key, way) in switches where try reader.bool(key, default: false) {
            guard let way else { throw unknown(key, reader) }
            ways.append(way)
        }
        return ways.isEmpty ? [.mean] : ways
    }

    private static func unknown(_ what: String, _ reader: ConfigurationReader) -> HeedError {
        HeedError(
            .unsupported, "a way of pooling is not known", in: reader.file,
            expected: Way.allCases.map(\.rawValue).joined(separator: ", "), got: quoted(what))
    }

    /// The vector of a sentence whose states are rows of `width` numbers, one after the other. Sums run in double
    /// precision over the tokens in order.
    func vector(_ states: UnsafeBufferPointer<Float>, width: Int) -> [Float] {
        let rows = states.count / max(width, 1)
        var vector: [Float] = []
        for way in ways {
            for column in 0..<width {
                switch way {
                case .first: vector.append(states[column])
                case .last: vector.append(states[(rows - 1) * width + column])
                case .largest:
                    var largest = states[column]
                    for row in 1..<max(rows, 1) { largest = max(largest, states[row * width + column]) }
                    vector.append(largest)
                case .mean, .rootMean:
                    var sum = 0.0
                    for row in 0..<rows { sum += Double(states[row * width + column]) }
                    let count = Double(max(rows, 1))
                    vector.append(Float(sum / (way == .mean ? count : count.squareRoot())))
                }
            }
        }
        if normalises {
            var sum = 0.0
            for value in vector { sum += Double(value) * Double(value) }
            let length = max(sum.squareRoot(), 1e-12)
            for index in vector.indices { vector[index] = Float(Double(vector[index]) / length) }
        }
        return vector
    }
}
