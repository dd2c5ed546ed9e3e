import Heed

/// A request for `/v1/embeddings`.
struct EmbeddingRequest {
    let model: ServedModel
    let lane: EmbeddingLane
    let texts: [[Int32]]
    let isBase64: Bool

    static let names: Set<String> = [
        "model", "input", "encoding_format", "dimensions", "user", "truncate_prompt_tokens",
    ]

    init(_ fields: RequestFields, shelf: ModelShelf) throws {
        let name = try fields.string("model")
        guard fields.has("input") || name == nil else { throw APIError.wrong("input", "a text", got: "nothing") }
        model = try shelf.model(name)
        try fields.refuseUnknown(EmbeddingRequest.names)
        lane = try model.embedding()
        if let width = try fields.integer("dimensions", in: 1...Int(Int32.max)), width != lane.width {
            throw APIError(
                400, "The vectors of the model '\(model.id)' have \(lane.width) dimensions.", param: "dimensions")
        }
        switch try fields.string("encoding_format") {
        case nil, "float"?: isBase64 = false
        case "base64"?: isBase64 = true
        default: throw fields.wrong("encoding_format", "float or base64")
        }
        texts = try EmbeddingRequest.texts(fields, model, longest: lane.longest)
    }

    private static func texts(_ fields: RequestFields, _ model: ServedModel, longest: Int) throws -> [[Int32]] {
        let wrong = fields.wrong("input", "a string, a list of at most 2048 strings, or ids")
        func ids(_ text: String) throws -> [Int32] {
            var tokenizer = try model.tokenizer.get()
            tokenizer.padding = nil
            // As sentence-transformers does: what is too long is cut, special tokens stay.
            tokenizer.truncation = Truncation(maximumLength: longest)
            let ids = try tokenizer.encode(text).ids
            if ids.isEmpty { throw APIError.wrong("input", "a text with tokens", got: "an empty one") }
            return ids
        }
        func checked(_ ids: [Int32]?) throws -> [Int32] {
            guard let ids, (1...longest).contains(ids.count) else { throw wrong }
            if let id = ids.first(where: { $0 < 0 || Int($0) >= model.vocabulary }) {
                throw APIError.wrong("input", "ids from 0 to \(model.vocabulary - 1)", got: "\(id)")
            }
            return ids
        }
        if let text = fields["input"]?.stringValue { return [try ids(text)] }
        guard let list = fields["input"]?.arrayValue, let first = list.first else { throw wrong }
        if first.intValue != nil { return [try checked(RequestFields.ids(list))] }
        guard list.count <= 2048 else { throw wrong }
        return try list.map { entry in
            if let text = entry.stringValue { return try ids(text) }
            return try checked(entry.arrayValue.flatMap(RequestFields.ids))
        }
    }

    /// The answer.
    func answer(_ vectors: [[Float]]) -> JSON {
        let data = vectors.enumerated().map { index, vector -> JSON in
            [
                "object": "embedding", "index": .integer(index),
                "embedding": isBase64
                    ? .string(EmbeddingRequest.base64(vector))
                    : .array(vector.map { .number(Double($0.description) ?? Double($0)) }),
            ]
        }
        let tokens = texts.reduce(0) { $0 + $1.count }
        return [
            "object": "list", "data": .array(data), "model": .string(model.id),
            "usage": ["prompt_tokens": .integer(tokens), "total_tokens": .integer(tokens)],
        ]
    }

    /// The numbers' little-endian bytes in base 64 (RFC 4648).
    static func base64(_ vector: [Float]) -> String {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        let bytes = vector.flatMap { number in
            [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: number.bitPattern >> $0) }
        }
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let some = bytes[start..<min(start + 3, bytes.count)]
            let word = some.enumerated().reduce(UInt32(0)) { $0 | UInt32($1.element) << (16 - 8 * UInt32($1.offset)) }
            for place in 0..<4 {
                text.append(
                    place <= some.count ? digits[Int(word >> (18 - 6 * UInt32(place)) & 63)] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
