import Heed
import HeedProcessor
import HeedSupport

/// An explanation for a terminal: stages in order, then what can be read of the pass.
struct ExplanationText {
    let explanation: Explanation
    let asked: AskedQuestion
    let look: LookOptions
    let terminal: Terminal
    let leftOut: [Reading]
    let checks: [GradientCheck]

    /// Everything, section after section.
    func page() throws -> String {
        var lines = try answerLine()
        if let step = look.step { return joined(lines + (try numbers(of: step))) }
        lines += try pieces() + stages() + answers() + lens() + inputs() + parts() + grids()
        if let head = look.head { lines += try self.head(head) }
        if !checks.isEmpty { lines += way() }
        lines += try notes()
        return joined(lines)
    }

    private func joined(_ lines: [String]) -> String { lines.joined(separator: "\n") + "\n" }

    // MARK: Words

    func title(_ text: String) -> [String] { ["", terminal.styled(text.uppercased(), .bold)] }
    func dim(_ text: String) -> String { terminal.styled(text, .dim) }

    /// A token as it is read: quoted, or its id.
    func token(_ id: Int, isSource: Bool = false) throws -> String {
        let text = isSource ? try asked.sourceText(id) : try asked.text(id)
        return text.map { quoted($0) } ?? "id \(id)"
    }

    /// Three digits that count.
    static func short(_ value: Double) -> String {
        guard value.isFinite else { return "\(value)" }
        let size = abs(value)
        if size == 0 { return "0" }
        if size >= 1000 || size < 0.001 {
            var (mantissa, exponent) = (size, 0)
            while mantissa >= 10 { (mantissa, exponent) = (mantissa / 10, exponent + 1) }
            while mantissa < 1 { (mantissa, exponent) = (mantissa * 10, exponent - 1) }
            return (value < 0 ? "-" : "") + fixed(mantissa, 1) + "e\(exponent)"
        }
        return fixed(value, size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3)
    }

    static func bar(_ share: Double, width: Int = 20) -> String {
        let eighths = Int((min(max(share, 0), 1) * Double(width) * 8).rounded())
        let parts = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]
        return String(repeating: "█", count: eighths / 8) + parts[eighths % 8]
    }

    // MARK: Sections

    private func answerLine() throws -> [String] {
        let what = asked.prompt.map { quoted($0) } ?? "\(counted(explanation.streams[0].ids.count, "token"))"
        guard let target = explanation.target else {
            return [what + " · the model has no head: there is no answer, only states and attention"]
        }
        let probability = try softmax(explanation.logits)[target]
        let place = "position \(explanation.position)"
        return [
            terminal.styled(what, .bold) + "  →  " + terminal.styled(try token(target), .bold, .green)
                + "  \(fixed(100 * probability, 1)) % at \(place)"
        ]
    }

    private func pieces() throws -> [String] {
        var lines: [String] = []
        for (index, stream) in explanation.streams.enumerated() {
            let isSource = index + 1 < explanation.streams.count
            lines += title(
                explanation.streams.count == 1 ? "Text to ids" : isSource ? "Source to ids" : "Target so far")
            let shown =
                stream.ids.count <= 40
                ? Array(stream.ids.indices) : Array(0..<20) + Array(stream.ids.indices.suffix(20))
            for (row, place) in shown.enumerated() {
                if row > 0, place != shown[row - 1] + 1 { lines.append(dim("    …")) }
                let id = Int(stream.ids[place])
                let text = isSource ? try asked.sourceText(id) : try asked.tokenText(id)
                let bytes = text.map { Array($0.utf8).prefix(12).map { AskedQuestion.hex($0) }.joined(separator: " ") }
                let mark = !isSource && place == explanation.position ? "›" : " "
                lines.append(
                    "  \(mark) "
                        + columns(
                            ("\(place)", 5), (text.map { quoted($0) } ?? "", 18), (bytes ?? "", 38), ("\(id)", 0)))
            }
        }
        return lines
    }

    private func answers() throws -> [String] {
        guard explanation.target != nil else { return [] }
        return title("Answer: p = softmax(z)")
            + (try explanation.candidates(8).map { candidate in
                "    "
                    + columns(
                        (try token(candidate.id), 20), ("\(fixed(100 * candidate.probability, 2)) %", 10),
                        ("z \(Self.short(Double(candidate.logit)))", 12), (Self.bar(candidate.probability), 0))
            })
    }

    private func lens() throws -> [String] {
        guard let target = explanation.target, explanation.readings.contains(.lens) else { return [] }
        let probabilities = try explanation.lensProbabilities(of: target)
        return title("Lens: the stream read out before each block")
            + (try explanation.lens(count: 3).enumerated().map { depth, best in
                let words = try best.map { "\(try token($0.id)) \(fixed(100 * $0.probability, 1)) %" }
                let name = depth + 1 == probabilities.count ? "behind the last" : "before block \(depth)"
                return "    "
                    + columns(
                        (name, 18), (Self.bar(probabilities[depth], width: 10), 12),
                        (words.joined(separator: "  "), 0))
            })
    }

    private func inputs() throws -> [String] {
        var lines: [String] = []
        let integrated = explanation.integratedGradients?.attributions ?? []
        for (index, reading) in explanation.gradientTimesInput.enumerated() {
            let stream = explanation.streams[index]
            let isSource = index + 1 < explanation.streams.count
            lines += title("What each \(isSource ? "source " : "")token says for it")
            lines.append(
                dim(
                    "    "
                        + columns(
                            ("", 24), ("gradient × input", 20), (integrated.isEmpty ? "" : "integrated gradients", 0))))
            let largest = reading.values.map { abs($0) }.max() ?? 1
            let order = reading.values.indices.sorted { abs(reading.values[$0]) > abs(reading.values[$1]) }
            for place in order.prefix(16).sorted() {
                let value = reading.values[place]
                let name =
                    isSource ? try token(Int(stream.ids[place]), isSource: true) : try inputToken(stream.ids[place])
                let other =
                    integrated.indices.contains(index) ? Self.short(Double(integrated[index].values[place])) : ""
                lines.append(
                    "    "
                        + columns(
                            ("\(place)", 4), (name, 20), (Self.short(Double(value)), 10), (other, 10),
                            (
                                Self.bar(Double(abs(value) / max(largest, 1e-30)), width: 12)
                                    + (value < 0 ? " against" : ""), 0
                            )))
            }
        }
        if let integratedGradients = explanation.integratedGradients, let target = explanation.target {
            let sum = integratedGradients.attributions.flatMap(\.values).reduce(0, +)
            lines.append(
                dim(
                    "    integrated gradients add up to \(Self.short(Double(sum))); the logit moves from "
                        + "\(Self.short(Double(integratedGradients.baseline))) to \(Self.short(Double(explanation.logits[target])))"
                ))
        }
        return lines
    }

    private func inputToken(_ id: Int32) throws -> String {
        try asked.tokenText(Int(id)).map { quoted($0) } ?? "id \(id)"
    }

    private func parts() throws -> [String] {
        guard let attribution = explanation.attribution else { return [] }
        var lines = title("What each part adds to the logit directly")
        let largest = attribution.parts.map { abs($0.value) }.max() ?? 1
        for part in attribution.parts.sorted(by: { abs($0.value) > abs($1.value) }).prefix(10) {
            let heads = part.heads.enumerated().max { abs($0.element) < abs($1.element) }
            let most = heads.map { "most by head \($0.offset): \(Self.short(Double($0.element)))" } ?? ""
            lines.append(
                "    "
                    + columns(
                        (part.path, 34), (Self.short(Double(part.value)), 10),
                        (Self.bar(Double(abs(part.value) / max(largest, 1e-30)), width: 10), 12), (dim(most), 0)))
        }
        let sum = attribution.parts.reduce(0) { $0 + $1.value }
        lines.append(
            dim(
                "    all \(attribution.parts.count) parts \(Self.short(Double(sum))), offsets \(Self.short(Double(attribution.rest)))"
            ))
        return lines
    }

    private func grids() throws -> [String] {
        guard let target = explanation.target else { return [] }
        let logit = explanation.logits[target]
        var lines: [String] = []
        for grid in explanation.headAblation + explanation.patching {
            let isHeads = grid.name.hasSuffix("head_ablation") || grid.name.hasSuffix("head_patching")
            lines += title(grid.name.replacing("_", with: " ") + ": the logit with that part changed")
            lines.append(
                dim(
                    "    "
                        + columns(
                            ("", 10),
                            (
                                "most \(isHeads ? "heads" : "tokens"), by how much the logit moves from \(Self.short(Double(logit)))",
                                0
                            ))))
            let order = grid.logits.indices.sorted { abs(grid.logits[$0] - logit) > abs(grid.logits[$1] - logit) }
            for index in order.prefix(6) {
                let change = Double(grid.logits[index] - logit)
                let what =
                    "block \(index / max(grid.columns, 1)) \(isHeads ? "head" : "token") \(index % max(grid.columns, 1))"
                lines.append(
                    "    "
                        + columns(
                            (what, 22), ((change >= 0 ? "+" : "") + Self.short(change), 10),
                            ("z \(Self.short(Double(grid.logits[index])))", 0)))
            }
        }
        return lines
    }

    private func notes() throws -> [String] {
        let difference = try Double(explanation.largestAttentionDifference())
        var lines = [
            "",
            dim(
                "Attention weights times values differ from the fast path's answers by at most \(Self.short(difference))."
            ),
        ]
        if !leftOut.isEmpty {
            lines.append(
                dim(
                    "Left out, because they take many passes: \(leftOut.map(\.rawValue).joined(separator: ", ")). Ask for them with --readings."
                ))
        }
        lines.append(
            dim(
                "These are views of the computation, not reasons: they say what was read and what the answer is sensitive to."
            ))
        return lines
    }
}
