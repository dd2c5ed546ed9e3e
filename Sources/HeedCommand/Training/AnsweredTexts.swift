import Heed
import HeedRun
import HeedSupport
import HeedWeights

/// Lines whose answers a decoder learns, and not what comes before them: conversations with roles through the model's
/// chat template (`{"messages": […]}`), or `{"prompt": …, "completion": …}`.
struct AnsweredTexts {
    private let tokenizer: Tokenizer
    private let prompter: ChatPrompter
    private let end: TokenID?
    /// The most tokens of a line.
    private let longest: Int
    /// Lines that were too long, and turns that the template writes otherwise when more follows.
    private(set) var cut = 0
    private(set) var lostTurns = 0

    /// - Parameter folder: the model whose template is used.
    init(_ tokenizer: Tokenizer, folder: String, end: TokenID?, longest: Int) {
        var tokenizer = tokenizer
        tokenizer.recognisesSpecialTokens = true
        tokenizer.truncation = nil
        tokenizer.padding = nil
        self.tokenizer = tokenizer
        prompter = ChatPrompter(model: folder, tokenizer: .success(tokenizer))
        self.end = end
        self.longest = longest
    }

    /// Whether the first line of a file that holds something is one of these.
    static func areIn(_ path: String) throws -> Bool {
        var found = false
        try InputLines(path, format: .json).read { line in
            guard case .success(let content) = line.content, content != .blank else { return true }
            if case .value(let value) = content {
                found = value["messages"] != nil || (value["prompt"] != nil && value["completion"] != nil)
            }
            return false
        }
        return found
    }

    /// The rows of files: `input_ids`, `labels` with −100 at what is not learned, `attention_mask`.
    ///
    /// - Parameter prefers: lines have a `prompt` with two answers, `chosen` and `rejected`, which become two rows.
    /// - Throws: `HeedError` naming the line that has no answer.
    mutating func rows(_ paths: [String], prefers: Bool = false) throws -> TensorFile {
        var rows: [(ids: [Int64], labels: [Int64])] = []
        for path in paths { rows += try self.rows(path, prefers: prefers) }
        let place = paths.joined(separator: ", ")
        guard let width = rows.map(\.ids.count).max() else {
            throw HeedError(.badInput, "there is no text", in: place, expected: "an object on every line")
        }
        var file = TensorFile(place: place)
        func padded(_ lists: [[Int64]], _ nothing: Int64) -> [Int64] {
            lists.flatMap { $0 + [Int64](repeating: nothing, count: width - $0.count) }
        }
        let shape = [rows.count, width]
        file.append("input_ids", shape: shape, integers: padded(rows.map(\.ids), 0))
        file.append("labels", shape: shape, integers: padded(rows.map(\.labels), -100))
        file.append(
            "attention_mask", shape: shape, integers: padded(rows.map { $0.ids.map { _ in 1 } }, 0))
        return file
    }

    private mutating func rows(_ path: String, prefers: Bool) throws -> [(ids: [Int64], labels: [Int64])] {
        var rows: [(ids: [Int64], labels: [Int64])] = []
        try InputLines(path, format: .json).read { line in
            let content = try line.content.get()
            if content == .blank { return true }
            guard case .value(let value) = content else {
                throw HeedError(
                    .badInput, "the line is no object", in: line.place, expected: "{\"messages\": […]}")
            }
            if prefers {
                for name in ["chosen", "rejected"] { rows.append(try answer(name, of: value, in: line.place)) }
                return true
            }
            let (text, answers) =
                try value["messages"] == nil
                ? pair(value, in: line.place) : conversation(Conversation(value, in: line.place))
            rows.append(try row(text, answers, endsText: value["messages"] == nil, in: line.place))
            return true
        }
        return rows
    }

    /// The row of one of two answers: texts behind a text, or messages behind messages.
    private mutating func answer(
        _ name: String, of value: JSON, in place: String
    ) throws -> (ids: [Int64], labels: [Int64]) {
        if let prompt = value["prompt"]?.stringValue, let text = value[name]?.stringValue {
            let whole = prompt + text
            return try row(whole, [prompt.utf8.count..<whole.utf8.count], endsText: true, in: place)
        }
        // Some data have whole conversations under both names.
        guard let answer = value[name]?.arrayValue, !answer.isEmpty else {
            throw HeedError(
                .badInput, "the line has no two answers to choose from", in: place,
                expected: "{\"prompt\": …, \"chosen\": …, \"rejected\": …}, all texts or all lists of messages")
        }
        let before = value["prompt"]?.arrayValue ?? []
        let all = try Conversation(.array(before + answer), in: place)
        let (text, answers) = try conversation(all)
        guard let last = answers.last else { throw HeedError(.badInput, "there is no answer", in: place) }
        return try row(text, [last], endsText: false, in: place)
    }

    private func pair(_ value: JSON, in place: String) throws -> (text: String, answers: [Range<Int>]) {
        guard let prompt = value["prompt"]?.stringValue, let completion = value["completion"]?.stringValue else {
            throw HeedError(
                .badInput, "the line has no answer to learn", in: place,
                expected: "{\"messages\": […]}, or {\"prompt\": \"…\", \"completion\": \"…\"}")
        }
        return (prompt + completion, [prompt.utf8.count..<(prompt + completion).utf8.count])
    }

    /// The text of a conversation and where in it, in bytes, the assistant speaks.
    private mutating func conversation(_ all: Conversation) throws -> (text: String, answers: [Range<Int>]) {
        func text(_ count: Int, prompting: Bool) throws -> String {
            var part = all
            part.variables["messages"] = .array(Array(all.messages.prefix(count)))
            part.variables["add_generation_prompt"] = .bool(prompting)
            return try prompter.text(part)
        }
        let whole = try text(all.messages.count, prompting: false)
        let bytes = Array(whole.utf8)
        var answers: [Range<Int>] = []
        var turns = 0
        for (index, message) in all.messages.enumerated() where message["role"]?.stringValue == "assistant" {
            turns += 1
            // Templates refuse some beginnings, such as one without a question.
            guard let before = try? Array(text(index, prompting: true).utf8),
                let through = try? Array(text(index + 1, prompting: false).utf8),
                bytes.starts(with: before), bytes.starts(with: through), before.count < through.count
            else { continue }
            answers.append(before.count..<through.count)
        }
        lostTurns += turns - answers.count
        guard !answers.isEmpty else {
            throw HeedError(
                .badInput, "the conversation has no answer to learn", in: all.place,
                expected:
                    "a message of the role assistant, which the chat template writes as an answer to what is before it",
                got: "\(turns) such messages")
        }
        return (whole, answers)
    }

    private mutating func row(
        _ text: String, _ answers: [Range<Int>], endsText: Bool, in place: String
    ) throws -> (ids: [Int64], labels: [Int64]) {
        let encoding = try tokenizer.encode(text, addingSpecialTokens: endsText)
        var ids = encoding.ids.map { Int64($0) }
        var labels = zip(ids, encoding.offsets).map { id, span -> Int64 in
            let isLearned = span.start < span.end && answers.contains { $0.contains(Int(span.end) - 1) }
            return isLearned ? id : -100
        }
        if endsText, let end, ids.last != Int64(end) {
            ids.append(Int64(end))
            labels.append(Int64(end))
        }
        if ids.count > longest {
            cut += 1
            ids.removeLast(ids.count - longest)
            labels.removeLast(labels.count - longest)
        }
        guard labels.dropFirst().contains(where: { $0 >= 0 }) else {
            throw HeedError(
                .badInput, "no token of the answer is left to learn", in: place,
                expected: "an answer within the first \(longest) tokens")
        }
        return (ids, labels)
    }

    /// Says what was not learned as it stands.
    func tell() {
        if cut > 0 { StandardError.writeLine("heed: \(counted(cut, "line")) cut to \(grouped(longest)) tokens.") }
        if lostTurns > 0 {
            StandardError.writeLine(
                "heed: \(counted(lostTurns, "answer")) not learned, because the chat template writes "
                    + "\(lostTurns == 1 ? "it" : "them") otherwise when more follows.")
        }
    }
}
