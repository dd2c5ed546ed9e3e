import Heed

/// A request for `/explain`: what the model saw when it chose the token behind `tokens`.
///
/// `{"model", "tokens", "count"}` → the tokens' texts; after each block the `count` likeliest next tokens, read out as the
/// answer is; and what the last token reads: its attention weights by layer and head, and their roll-out.
struct ExplainRequest: Sendable {
    let model: ServedModel
    let ids: [Int32]
    let count: Int

    /// Everything of a pass is kept, which takes memory by the square of the length.
    static let longest = 512

    init(_ fields: RequestFields, shelf: ModelShelf) throws {
        let model = try shelf.model(try fields.string("model"))
        self.model = model
        try fields.refuseUnknown(["model", "tokens", "count"])
        guard model.explained != nil else {
            throw APIError(400, "Only decoders are explained here; see heed explain for others.", param: "model")
        }
        guard let ids = fields["tokens"]?.arrayValue.flatMap(RequestFields.ids), !ids.isEmpty else {
            throw fields.wrong("tokens", "a list of ids")
        }
        let longest = min(ExplainRequest.longest, model.contextLength)
        guard ids.count <= longest else {
            throw APIError.wrong("tokens", "at most \(longest) ids; heed explain takes more", got: "\(ids.count)")
        }
        if let id = ids.first(where: { $0 < 0 || Int($0) >= model.vocabulary }) {
            throw APIError.wrong("tokens", "ids from 0 to \(model.vocabulary - 1)", got: "\(id)")
        }
        self.ids = ids
        count = try fields.integer("count", in: 1...100) ?? 5
    }

    /// The answer, computed in this thread.
    func answer(_ runtime: Runtime) throws -> JSON {
        guard let explained = model.explained else { return .null }
        let explanation = try Explanation(
            explained, ExplainedInput(ids), readings: [.lens, .attention], rows: 1, runtime: runtime)
        let lens = try explanation.lens(count: count).map { candidates -> JSON in
            .array(
                candidates.map {
                    [
                        "id": .integer($0.id), "token": .string(model.names.name(Int32($0.id))),
                        "probability": .number($0.probability),
                    ]
                })
        }
        func numbers(_ row: some Sequence<Float>) -> JSON { .array(row.map { .number(Double($0)) }) }
        let attention = explanation.attentionMaps().map { map -> JSON in
            .array(
                (0..<map.heads).map { head in
                    numbers(
                        map.weights[((head + 1) * map.queries - 1) * map.keys..<(head + 1) * map.queries * map.keys])
                })
        }
        let rollout = explanation.rollouts().first
        return [
            "object": "explanation", "model": .string(model.id),
            "tokens": .array(ids.map { .string(model.names.name($0)) }), "lens": .array(lens),
            "attention": .array(attention),
            "rollout": numbers(rollout.map { $0.layers.last?.suffix($0.keys) ?? [] } ?? []),
        ]
    }
}
