import HeedSupport
import HeedWeights

extension Explanation {
    /// How many numbers of attention maps a document holds at most; beyond that they are left out and said to be.
    static let mapsInDocument = 1 << 20

    /// The explanation for programs: the streams, the answer, every operation, and every reading.
    ///
    /// - Parameters:
    ///   - text: the text of an id of the answer.
    ///   - sourceText: the text of an id of the source.
    ///   - checks: checks of gradients, where they were made.
    /// - Throws: `HeedError` when a logit is not finite, or what `text` throws.
    public func json(
        text: (Int) throws -> String?, sourceText: (Int) throws -> String?, checks: [GradientCheck] = []
    ) throws -> JSON {
        func id(_ id: Int, _ text: (Int) throws -> String?) throws -> JSONObject {
            ["id": .integer(id), "text": try text(id).map { .string($0) } ?? .null]
        }
        func candidate(_ candidate: Candidate) throws -> JSON {
            var object = try id(candidate.id, text)
            object["logit"] = .number(Double(candidate.logit))
            object["probability"] = .number(candidate.probability)
            return .object(object)
        }
        var document = JSONObject()
        document["streams"] = .array(
            try streams.enumerated().map { index, stream in
                let name = stream.prefix.isEmpty ? "text" : String(stream.prefix.dropLast())
                let text = index + 1 < streams.count ? sourceText : text
                return ["name": .string(name), "tokens": .array(try stream.ids.map { .object(try id(Int($0), text)) })]
            })
        document["position"] = .integer(position)
        if let target {
            var answer = try id(target, text)
            answer["logit"] = .number(Double(logits[target]))
            answer["probability"] = .number(try softmax(logits)[target])
            document["target"] = .object(answer)
            document["candidates"] = .array(try candidates(10).map(candidate))
        }
        document["stages"] = .array(try story().map { Explanation.json($0) })
        if let target, readings.contains(.lens) {
            let probabilities = try lensProbabilities(of: target)
            document["lens"] = .array(
                try lens(count: 5).enumerated().map { depth, best in
                    [
                        "blocks": .integer(depth), "best": .array(try best.map(candidate)),
                        "target_probability": .number(probabilities[depth]),
                    ]
                })
        }
        if let attribution {
            document["logit_attribution"] = [
                "parts": .array(
                    attribution.parts.map { part in
                        [
                            "path": .string(part.path), "value": .number(Double(part.value)),
                            "heads": .array(part.heads.map { .number(Double($0)) }),
                        ]
                    }), "rest": .number(Double(attribution.rest)),
            ]
        }
        if let integratedGradients {
            document["target_logit_at_zero"] = .number(Double(integratedGradients.baseline))
        }
        document["largest_difference_of_weighted_sums"] = .number(Double(try largestAttentionDifference()))
        if !checks.isEmpty { document["gradient_checks"] = .array(checks.map(\.json)) }
        try append(to: &document)
        return .object(document)
    }

    /// Appends the readings that are arrays, nested as their extents say.
    private func append(to document: inout JSONObject) throws {
        let maps = whole.places.attentions.reduce(0) { sum, attention in
            sum + attention.operation.shape.heads
                * whole.places.queryStream(attention.name, of: whole.subject).ids.count
                * whole.places.keyStream(attention.name, of: whole.subject).ids.count
        }
        if readings.contains(.attention), maps <= Explanation.mapsInDocument {
            for map in attentionMaps() {
                document["\(map.name).\(map.layer)"] = Explanation.nested(
                    map.weights[...], [map.heads, map.queries, map.keys])
            }
            for rollout in rollouts() {
                for (layer, values) in rollout.layers.enumerated() {
                    document["\(rollout.name).\(layer)"] = Explanation.nested(
                        values[...], [rollout.queries, rollout.keys])
                }
            }
        } else if readings.contains(.attention) {
            document["left_out"] = .string("the \(grouped(maps)) attention weights: ask for them as tensors")
        }
        for attribution in gradientTimesInput {
            document[attribution.prefix + "gradient_times_input"] = Explanation.list(attribution.values[...])
        }
        for attribution in integratedGradients?.attributions ?? [] {
            document[attribution.prefix + "integrated_gradients"] = Explanation.list(attribution.values[...])
        }
        for grid in headAblation + patching {
            document[grid.name] = Explanation.nested(grid.logits[...], [grid.rows, grid.columns])
        }
    }

    private static func list(_ values: ArraySlice<Float>) -> JSON {
        .array(values.map { $0.isFinite ? .number(Double($0)) : .null })
    }

    static func nested(_ values: ArraySlice<Float>, _ shape: [Int]) -> JSON {
        guard shape.count > 1 else { return list(values) }
        let size = shape.dropFirst().reduce(1, *)
        return .array(
            (0..<shape[0]).map { index in
                let start = values.startIndex + index * size
                return nested(values[start..<start + size], Array(shape.dropFirst()))
            })
    }

    static func json(_ stage: StoryStage) -> JSON {
        [
            "path": .string(stage.path), "operations": .number(stage.cost.operations),
            "bytes": .number(stage.cost.bytes), "steps": .array(stage.steps.map { json($0) }),
        ]
    }

    static func json(_ step: StoryStep) -> JSON {
        var object: JSONObject = [
            "place": .integer(step.place), "path": .string(step.path), "operation": .string(step.name),
            "formula": .string(step.formula), "gradient_formula": .string(step.gradientFormula),
            "inputs": .array(
                step.inputs.map { ["path": .string($0.path), "shape": shape([$0.rows, $0.columns])] }),
            "shape": shape([step.rows, step.columns]),
            "parameters": .array(step.parameters.map { ["name": .string($0.name), "shape": shape($0.shape)] }),
            "operations": .number(step.cost.operations), "bytes": .number(step.cost.bytes),
            "values": summary(step.values), "gradient": step.gradient.map { summary($0) } ?? .null,
        ]
        if !step.parts.isEmpty { object["parts"] = .array(step.parts.map { json($0, upTo: 1 << 16) }) }
        return .object(object)
    }

    /// A step within attention; its numbers where there are at most `count`.
    static func json(_ part: AttentionPart, upTo count: Int) -> JSON {
        var object: JSONObject = [
            "step": .string(part.kind.rawValue), "formula": .string(part.formula),
            "gradient_formula": .string(part.gradientFormula), "shape": shape(part.shape),
            "operations": .number(part.cost.operations), "bytes": .number(part.cost.bytes),
            "values": summary(part.values), "gradient": part.gradient.map { summary($0) } ?? .null,
            "row": .integer(part.row),
        ]
        let extents = [part.shape[0], part.shape[2]]
        if part.numbers.count <= count {
            // What the mask hides is null.
            object["numbers"] = nested(part.numbers[...], extents)
            object["gradient_numbers"] = part.gradientNumbers.map { nested($0[...], extents) } ?? .null
        }
        return .object(object)
    }

    private static func shape(_ extents: [Int]) -> JSON { .array(extents.map { .integer($0) }) }

    private static func summary(_ values: ValueSummary) -> JSON {
        [
            "least": .number(Double(values.least)), "greatest": .number(Double(values.greatest)),
            "mean": .number(values.mean), "root_mean_square": .number(values.size),
            "not_finite": .integer(values.strange),
        ]
    }
}
