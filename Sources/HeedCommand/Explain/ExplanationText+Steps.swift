import Heed
import HeedSupport

extension ExplanationText {
    /// The operations in order: one block in full, a line for each of the others.
    func stages() throws -> [String] {
        let stages = try explanation.story()
        let open = look.layer ?? 0
        let lens = explanation.readings.contains(.lens) ? try explanation.lens(count: 1) : []
        var lines: [String] = []
        for stage in stages {
            let cost = "\(countText(stage.cost.operations))FLOP, \(byteText(Int(stage.cost.bytes)))"
            guard let block = stage.block, block != open else {
                lines += title(stage.path) + [dim("    " + cost)]
                for step in stage.steps { lines += self.step(step) }
                continue
            }
            let last = stage.steps.last
            let isAnswering = stage.path == stages.last { $0.block == block }?.path
            let best = isAnswering && lens.indices.contains(block + 1) ? lens[block + 1].first : nil
            let guess = try best.map { ", then the likeliest is \(try token($0.id))" } ?? ""
            if block == (open == 0 ? 1 : 0) { lines.append("") }
            lines.append(
                "  "
                    + columns(
                        (stage.path, 22), (counted(stage.steps.count, "operation"), 15), (cost, 26),
                        (dim("stream ±\(Self.short(last?.values.size ?? 0))\(guess)"), 0)))
        }
        return lines
    }

    private func step(_ step: StoryStep) -> [String] {
        let inputs = step.inputs.map { "[\($0.rows), \($0.columns)]" }.joined(separator: ", ")
        let shape = (inputs.isEmpty ? "" : inputs + " → ") + "[\(step.rows), \(step.columns)]"
        let parameters = step.parameters.map { "\($0.name.split(separator: ".").last ?? "") \($0.shape)" }
        var lines = [
            "  "
                + columns(
                    ("\(step.place)", 4), (step.path, 36), (step.name, 18), (dim(shape), 0)),
            "      " + terminal.styled(step.formula, .cyan)
                + (parameters.isEmpty ? "" : dim("   " + parameters.joined(separator: ", "))),
            dim(
                "      \(summary(step.values)); \(countText(step.cost.operations))FLOP, \(byteText(Int(step.cost.bytes)))"
            ),
        ]
        if !step.row.isEmpty {
            let numbers = step.row.prefix(6).map { Self.short(Double($0)) }.joined(separator: "  ")
            lines.append(dim("      row \(explanation.position): \(numbers)\(step.row.count > 6 ? "  …" : "")"))
        }
        if look.gradients, let gradient = step.gradient {
            lines += [
                "      " + terminal.styled("back: " + step.gradientFormula, .yellow),
                dim("      ∂L/∂value: \(summary(gradient))"),
            ]
        }
        return lines + step.parts.flatMap { part($0) }
    }

    /// A step within attention.
    private func part(_ part: AttentionPart) -> [String] {
        let shape = "[" + part.shape.map { "\($0)" }.joined(separator: ", ") + "]"
        let cost = "\(countText(part.cost.operations))FLOP, \(byteText(Int(part.cost.bytes)))"
        var lines = [
            "        "
                + columns(
                    (part.kind.rawValue, 9), (shape, 18), (cost, 26), (terminal.styled(part.formula, .cyan), 0)),
            dim("                 row \(part.row): \(summary(part.values))"),
        ]
        if look.gradients, let gradient = part.gradient {
            lines.append("                 " + terminal.styled("back: " + part.gradientFormula, .yellow))
            lines.append(dim("                 ∂L/∂ of row \(part.row): \(summary(gradient))"))
        }
        return lines
    }

    private func summary(_ values: ValueSummary) -> String {
        let strange = values.strange > 0 ? ", \(values.strange) not finite" : ""
        return "from \(Self.short(Double(values.least))) to \(Self.short(Double(values.greatest))), mean "
            + "\(Self.short(values.mean)), size \(Self.short(values.size))\(strange)"
    }

    /// Every number of one operation, by place or path.
    func numbers(of wanted: String) throws -> [String] {
        let steps = try explanation.story().flatMap(\.steps)
        let found = steps.filter { "\($0.place)" == wanted || $0.path == wanted }
        guard !found.isEmpty else {
            throw HeedError(
                .usage, "there is no such step", in: "--step",
                expected: "a place from 0 to \(steps.count - 1), or a path such as \(steps.last?.path ?? "head")",
                got: quoted(wanted))
        }
        return found.flatMap { step -> [String] in
            var lines = [""] + self.step(step)
            guard let numbers = explanation.numbers(step.place) else { return lines }
            for (name, values) in [("", Optional(numbers.values)), ("∂L/∂ ", look.gradients ? numbers.gradient : nil)] {
                guard let values else { continue }
                for row in 0..<step.rows {
                    let slice = values[row * step.columns..<(row + 1) * step.columns]
                    lines.append("    \(name)row \(row): " + slice.map { "\($0)" }.joined(separator: " "))
                }
            }
            return lines
        }
    }

    /// How one head of the chosen block comes to its answer for the explained row.
    func head(_ head: Int) throws -> [String] {
        let layer = look.layer ?? 0
        var lines: [String] = []
        for name in explanation.attentionNames {
            let row = name.hasPrefix("encoder_") ? explanation.streams[0].ids.count - 1 : explanation.position
            guard let steps = try explanation.attentionSteps(name, layer: layer, head: head, row: row) else { continue }
            let isOfSource = name.hasPrefix("encoder_") || name == "cross_attentions"
            let stream = isOfSource ? explanation.streams[0] : explanation.streams[explanation.streams.count - 1]
            lines += title("\(name.replacing("_", with: " ")), block \(layer), head \(head), row \(row)")
            lines.append(
                dim(
                    "    "
                        + columns(
                            ("key", 26), ("q·k", 10), ("scaled", 10), ("offset", 10), ("weight", 10),
                            (look.gradients ? "∂L/∂score" : "", 0)))
            )
            let order = steps.weights.indices.sorted { steps.weights[$0] > steps.weights[$1] }
            for key in order.prefix(24).sorted() {
                let id = Int(stream.ids[key])
                let text =
                    isOfSource && explanation.streams.count > 1 ? try asked.sourceText(id) : try asked.tokenText(id)
                guard steps.isVisible[key] else {
                    lines.append(
                        dim("    " + columns(("\(key)", 4), (text.map { quoted($0) } ?? "id \(id)", 22), ("masked", 0)))
                    )
                    continue
                }
                lines.append(
                    "    "
                        + columns(
                            ("\(key)", 4), (text.map { quoted($0) } ?? "id \(id)", 22),
                            (Self.short(Double(steps.products[key])), 10), (Self.short(Double(steps.scaled[key])), 10),
                            (Self.short(Double(steps.offsets[key])), 10), (fixed(Double(steps.weights[key]), 4), 10),
                            (
                                look.gradients && !steps.scoreGradients.isEmpty
                                    ? Self.short(Double(steps.scoreGradients[key]))
                                    : Self.bar(Double(steps.weights[key]), width: 16), 0
                            )))
            }
            lines.append(
                dim(
                    "    Σ weight · v differs from the fast path's answer by at most \(Self.short(Double(steps.difference))), "
                        + "the softmax of these scores from its weights by \(Self.short(Double(steps.weightDifference)))"
                ))
        }
        guard !lines.isEmpty else {
            throw HeedError(.usage, "there is no such head", in: "--layer \(layer) --head \(head)")
        }
        return lines
    }

    /// Every gradient beside central differences.
    func way() -> [String] {
        var lines = title("Gradients of the target's logit, beside central differences")
        lines.append(
            dim("    " + columns(("", 48), ("size", 10), ("by gradient", 13), ("by differences", 16), ("apart", 0))))
        for check in checks {
            lines.append(
                "    "
                    + columns(
                        ("∂L/∂\(check.path)" + (check.kind == .value ? " (\(check.operation))" : ""), 48),
                        (Self.short(check.size), 10), (fixed(check.byGradient, 5), 13),
                        (fixed(check.byDifferences, 5), 16),
                        (
                            "\(Self.short(100 * check.error)) %"
                                + (check.agrees ? "" : terminal.styled("  disagrees", .red)), 0
                        )))
        }
        let off = checks.count { !$0.agrees }
        lines.append(off == 0 ? "    all \(checks.count) agree" : "    \(off) of \(checks.count) disagree")
        return lines
    }
}
