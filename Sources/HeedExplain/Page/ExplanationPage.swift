import HeedLayers
import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor

extension Explanation {
    /// The explanation as a page to open step by step.
    ///
    /// - `text`: the text of an id of the answer.
    /// - `words`: the texts of the tokens of each stream.
    /// - `leftOut`: readings that were not made, to say so.
    /// - `checks`: checks of gradients, where they were made.
    ///
    /// Cost: a few bytes for each attention weight, up to about two million; beyond that means of several.
    /// - Throws: `HeedError` when a logit is not finite, or what `text` throws.
    public func page(
        title: String, subtitle: String, words: [[String]], leftOut: [Reading],
        checks: [GradientCheck] = [], text: (Int) throws -> String?
    ) throws -> Page {
        var ids = Set<Int>()
        var data: JSONObject = [
            "streams": .array(zip(streams, words).map { Explanation.pageStream($0, $1) }),
            "position": .integer(position),
            "stages": .array(try story().map { Explanation.pageStage($0) }),
            "attention": .array(
                whole.subject.runtime.team.map(whole.places.attentions.count) {
                    attention(whole.places.attentions[$0])
                }),
            "largest_difference_of_weighted_sums": .number(Double(try largestAttentionDifference())),
            "answer_rows": .array(answerRows.map { .integer($0) }),
            "left_out": .array(leftOut.map { .string($0.rawValue) }),
            "grids": .array((headAblation + patching).map { Explanation.pageGrid($0) }),
            "rollouts": .array(readings.contains(.attention) ? rolloutRows() : []),
            "inputs": .array(gradientTimesInput.indices.map { inputReading($0) }),
        ]
        if let target {
            ids.insert(target)
            data["target"] = [
                "id": .integer(target), "text": try text(target).map { .string($0) } ?? .null,
                "logit": .number(Double(logits[target])), "probability": .number(try softmax(logits)[target]),
            ]
            data["logits"] = .string(base64(logits))
            ids.formUnion(try candidates(200).map(\.id))
            data["lens"] = try lens(&ids)
        }
        if let attribution { data["logit_attribution"] = Explanation.pageAttribution(attribution) }
        if !checks.isEmpty { data["checks"] = .array(checks.map(\.json)) }
        costs(&data)
        var texts = JSONObject()
        for id in ids.sorted() { if let text = try text(id) { texts["\(id)"] = .string(text) } }
        data["texts"] = .object(texts)
        return Page(title: title, subtitle: subtitle, data: .object(data), script: PackageResources.explain_js)
    }

    static func numbers(_ values: [Float]) -> JSON { .array(values.map { .number(Double($0)) }) }

    private static func pageStream(_ stream: ExplainedStream, _ words: [String]) -> JSON {
        [
            "name": .string(stream.prefix.isEmpty ? "text" : String(stream.prefix.dropLast())),
            "ids": .array(stream.ids.map { .integer(Int($0)) }), "words": .array(words.map { .string($0) }),
        ]
    }

    private static func pageGrid(_ grid: InterventionGrid) -> JSON {
        [
            "name": .string(grid.name), "rows": .integer(grid.rows), "columns": .integer(grid.columns),
            "logits": numbers(grid.logits),
        ]
    }

    private static func pageAttribution(_ attribution: LogitAttribution) -> JSON {
        [
            "parts": .array(
                attribution.parts.map { part in
                    [
                        "path": .string(part.path), "value": .number(Double(part.value)),
                        "heads": numbers(part.heads),
                    ]
                }), "rest": .number(Double(attribution.rest)),
        ]
    }

    /// What the answer is sensitive to in the stream at `index`.
    private func inputReading(_ index: Int) -> JSON {
        var reading: JSONObject = [
            "stream": .integer(index),
            "gradient_times_input": Explanation.numbers(gradientTimesInput[index].values),
        ]
        if let integrated = integratedGradients?.attributions, integrated.indices.contains(index) {
            reading["integrated_gradients"] = Explanation.numbers(integrated[index].values)
        }
        return .object(reading)
    }

    private static func pageStage(_ stage: StoryStage) -> JSON {
        guard case .object(var object) = json(stage) else { return .null }
        object["steps"] = .array(
            stage.steps.map { step in
                guard case .object(var object) = json(step) else { return .null }
                // Rows as wide as a vocabulary stand below, as logits.
                if !step.row.isEmpty, step.row.count <= 8_192 { object["row"] = .string(base64(step.row)) }
                if !step.parts.isEmpty { object["parts"] = .array(step.parts.map { pagePart($0) }) }
                return .object(object)
            })
        return .object(object)
    }

    /// A step within attention; the numbers of a long text stand in the maps alone.
    private static func pagePart(_ part: AttentionPart) -> JSON {
        guard case .object(var object) = json(part, upTo: 0) else { return .null }
        if part.numbers.count <= 4_096 {
            object["numbers"] = .string(base64(part.numbers))
            if let gradient = part.gradientNumbers { object["gradient_numbers"] = .string(base64(gradient)) }
        }
        return .object(object)
    }

    /// The five likeliest answers at each depth and row.
    private func lens(_ ids: inout Set<Int>) throws -> JSON {
        let all = try lens(rows: Array(0..<max(answerRows.count, 1)), count: 5)
        ids.formUnion(all.joined().joined().map(\.id))
        return .array(
            all.map { rows in
                .array(rows.map { best in .array(best.map { [.integer($0.id), .number($0.probability)] }) })
            })
    }

    // MARK: Attention

    /// How many weights a page holds one by one.
    private static let weightsInPage = 2 << 20

    private func attention(_ attention: Places.Attention) -> JSON {
        let total = whole.places.attentions.reduce(0) { sum, attention in
            sum + attention.operation.shape.heads * sizes(attention).queries * sizes(attention).keys
        }
        let (queries, keys) = sizes(attention)
        let heads = attention.operation.shape.heads
        let isWhole = total <= Explanation.weightsInPage
        let rowBlock = isWhole ? 1 : (queries + 63) / 64
        let columnBlock = isWhole ? 1 : (keys + 63) / 64
        let (rows, columns) = ((queries + rowBlock - 1) / rowBlock, (keys + columnBlock - 1) / columnBlock)
        var sums = [Float](repeating: 0, count: heads * rows * columns)
        let chosen = attention.name.hasPrefix("encoder_") ? queries - 1 : min(position, queries - 1)
        var row: [UInt16] = []
        if let weights = whole.weights(attention) {
            sums.withUnsafeMutableBufferPointer { sums in
                for query in 0..<queries {
                    weights.withRow(query) { numbers in
                        for head in 0..<heads {
                            let own = UnsafeBufferPointer(
                                rebasing: numbers[head * whole.stride..<head * whole.stride + keys])
                            let start = (head * rows + query / rowBlock) * columns
                            for column in 0..<columns {
                                var sum: Float = 0
                                for key in column * columnBlock..<min((column + 1) * columnBlock, keys) {
                                    sum += own[key]
                                }
                                sums[start + column] += sum
                            }
                        }
                    }
                }
            }
            weights.withRow(chosen) { numbers in
                for head in 0..<heads {
                    for key in 0..<keys { row.append(Explanation.word(numbers[head * whole.stride + key])) }
                }
            }
        }
        let grid = sums.enumerated().map { index, sum -> UInt16 in
            let (r, c) = (index / columns % rows, index % columns)
            let count = min(rowBlock, queries - r * rowBlock) * min(columnBlock, keys - c * columnBlock)
            return Explanation.word(sum / Float(max(count, 1)))
        }
        func stream(_ stream: ExplainedStream) -> JSON {
            .integer(streams.firstIndex { $0.prefix == stream.prefix } ?? 0)
        }
        return [
            "name": .string(attention.name), "layer": .integer(attention.layer), "heads": .integer(heads),
            "queries": .integer(queries), "keys": .integer(keys), "rows": .integer(rows),
            "columns": .integer(columns), "row_block": .integer(rowBlock), "column_block": .integer(columnBlock),
            "position": .integer(chosen), "grid": .string(base64(grid)), "row": .string(base64(row)),
            "reader": stream(whole.places.queryStream(attention.name, of: whole.subject)),
            "read": stream(whole.places.keyStream(attention.name, of: whole.subject)),
        ]
    }

    private func sizes(_ attention: Places.Attention) -> (queries: Int, keys: Int) {
        (
            whole.places.queryStream(attention.name, of: whole.subject).ids.count,
            whole.places.keyStream(attention.name, of: whole.subject).ids.count
        )
    }

    /// A weight in steps of 1/65535.
    private static func word(_ weight: Float) -> UInt16 { UInt16(min(max(weight, 0), 1) * 65_535 + 0.5) }

    private func rolloutRows() -> [JSON] {
        whole.places.attentionNames.map { name -> JSON in
            let key = whole.places.keyStream(name, of: whole.subject)
            return [
                "name": .string(name.replacing("attentions", with: "rollout")),
                "read": .integer(streams.firstIndex { $0.prefix == key.prefix } ?? 0),
                "row": Explanation.numbers(whole.rolloutRow(name)),
            ]
        }
    }

    // MARK: Costs

    private func costs(_ data: inout JSONObject) {
        let stack: StackShape
        let width: Int
        let context: Int
        switch whole.subject.layers {
        case .decoder(let layers):
            (stack, width, context) = (
                layers.configuration.stack, layers.configuration.width, layers.configuration.context
            )
        case .encoderDecoder(let layers):
            (stack, width, context) = (
                layers.configuration.decoder, layers.configuration.width, layers.configuration.context
            )
        case .encoder: return
        }
        let fixed = stack.operationsPerToken(keys: 0) + 2 * Double(whole.subject.layers.vocabulary * width)
        data["context"] = .integer(context)
        data["cache_bytes_per_token"] = .integer(8 * stack.layers * stack.keyHeads * stack.headWidth)
        data["operations_per_token"] = .number(fixed)
        data["operations_per_key"] = .number(stack.operationsPerToken(keys: 1) - stack.operationsPerToken(keys: 0))
    }
}

extension WholePass {
    /// The roll-out of all layers for the explained row alone.
    ///
    /// Cost: heads · rows² per layer.
    func rolloutRow(_ name: String) -> [Float] {
        let isCross = name == "cross_attentions"
        let count = places.queryStream(name, of: subject).ids.count
        let start = name.hasPrefix("encoder_") ? count - 1 : min(subject.position, count - 1)
        var row = (0..<count).map { Float($0 == start ? 1 : 0) }
        let layers = places.attentions.filter { $0.name == name }
        for attention in isCross ? layers.suffix(1) : layers.reversed()[...] {
            let read = through(attention, row)
            row = isCross ? read : zip(row, read).map { 0.5 * $0 + 0.5 * $1 }
        }
        guard isCross else { return row }
        for attention in places.attentions.reversed() where attention.name == "encoder_attentions" {
            row = zip(row, through(attention, row)).map { 0.5 * $0 + 0.5 * $1 }
        }
        return row
    }

    /// `row` · the mean of a layer's heads.
    private func through(_ attention: Places.Attention, _ row: [Float]) -> [Float] {
        let keys = places.keyStream(attention.name, of: subject).ids.count
        let heads = attention.operation.shape.heads
        var result = [Float](repeating: 0, count: keys)
        guard let weights = weights(attention) else { return result }
        result.withUnsafeMutableBufferPointer { result in
            for (query, share) in row.enumerated() where share != 0 {
                let factor = share / Float(heads)
                weights.withRow(query) { numbers in
                    for head in 0..<heads {
                        for key in 0..<keys { result[key] += factor * numbers[head * stride + key] }
                    }
                }
            }
        }
        return result
    }
}
