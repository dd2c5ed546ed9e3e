import HeedGenerate
import HeedSupport
import HeedTokenizers

/// A prompt as it was given, with the place to name in messages.
struct GivenPrompt {
    /// The ids that are continued or, for a model that reads a source, those of the source.
    var ids: [Int32]
    let place: String
    /// Whether the ids came from a text.
    var isText = false
    /// For a model that reads a source: the first ids of the target.
    var target: [Int32]?

    /// The ids as the generator takes them.
    var generation: GenerationPrompt {
        target.map { GenerationPrompt(ids: $0, source: ids) } ?? GenerationPrompt(ids: ids)
    }

    /// The ids whose text precedes that of the new ids.
    var shownIds: [Int32] { target == nil ? ids : [] }

    /// The prompt as the source of a translation that starts with `start`; a text ends with `end`.
    func asSource(start: Int, end: Int?) -> GivenPrompt {
        var source = self
        source.target = [Int32(start)]
        if let end, isText, ids.last != Int32(end) { source.ids.append(Int32(end)) }
        return source
    }
}

/// Turns what the user gave into ids.
struct PromptReader {
    /// The ids of the model.
    let vocabulary: Int
    /// The model's begin id, for an empty text.
    let begin: Int32?
    /// The tokenizer of the folder, or why there is none.
    let tokenizer: Result<Tokenizer, HeedError>

    /// `--prompt TEXT`
    func text(_ text: String, in place: String = "--prompt") throws -> GivenPrompt {
        var tokenizer: Tokenizer
        do { tokenizer = try self.tokenizer.get() } catch {
            throw HeedError(
                error.kind, "a prompt of text needs the model's tokenizer: \(error.description)", in: place,
                advice: "Give ids instead, with --ids")
        }
        guard tokenizer.vocabularySize <= vocabulary else {
            throw HeedError(
                .badInput, "the tokenizer and the model do not belong together", in: "tokenizer",
                expected: "at most the model's vocabulary of \(vocabulary) ids", got: "\(tokenizer.vocabularySize) ids")
        }
        tokenizer.truncation = nil
        tokenizer.padding = nil
        var ids = try tokenizer.encode(text).ids
        // A SentencePiece model holds no template; models that use one expect their begin id in front of a text.
        if let begin, tokenizer.kind.hasPrefix("SentencePiece"), ids.first != begin, !ids.isEmpty {
            ids.insert(begin, at: 0)
        }
        if ids.isEmpty {
            guard let begin else {
                throw HeedError(
                    .badInput, "the prompt is empty, and the model has no begin token to start from", in: place)
            }
            return GivenPrompt(ids: [begin], place: place)
        }
        return GivenPrompt(ids: try checked(ids, place), place: place, isText: true)
    }

    /// `--ids 1,2,3`
    func ids(_ text: String) throws -> GivenPrompt {
        if text.utf8.allSatisfy({ $0 == 0x20 }) {
            throw HeedError(
                .usage, "the list is empty", in: "--ids", expected: "ids with commas between, such as 5,6,7")
        }
        var ids: [Int32] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let id = Int(part.trimmingSpaces) else {
                throw HeedError(
                    .usage, "an id is not a number", in: "--ids", expected: "ids with commas between, such as 5,6,7",
                    got: quoted(String(part)))
            }
            ids.append(try narrow(id, "--ids"))
        }
        return GivenPrompt(ids: try checked(ids, "--ids"), place: "--ids")
    }

    /// `--input prompts.jsonl`: an object with `ids` or `prompt` on every line.
    func file(_ path: String) throws -> [GivenPrompt] {
        var prompts: [GivenPrompt] = []
        for (number, bytes) in try readFile(path).split(separator: 0x0A, omittingEmptySubsequences: false).enumerated()
        {
            let place = "\(path), line \(number + 1)"
            guard String(validating: bytes, as: UTF8.self) != nil else {
                throw HeedError(.badInput, "the line is not UTF-8", in: place)
            }
            if bytes.allSatisfy({ $0 == 0x20 || $0 == 0x0D || $0 == 0x09 }) { continue }
            let value: JSON
            do { value = try JSON.parse(Array(bytes), in: place) } catch let error as HeedError {
                throw HeedError(
                    error.kind, "the line is not JSON: \(error.what)", in: place, expected: error.expected,
                    got: error.got)
            }
            if let list = value["ids"] {
                guard let ids = list.arrayValue else { throw wrong("ids", list.kindName, place) }
                prompts.append(
                    GivenPrompt(
                        ids: try checked(
                            try ids.map { id in
                                guard let id = id.intValue else { throw wrong("ids", id.kindName, place) }
                                return try narrow(id, place)
                            }, place), place: place))
            } else if let text = value["prompt"] {
                guard let text = text.stringValue else { throw wrong("prompt", text.kindName, place) }
                prompts.append(try self.text(text, in: place))
            } else {
                throw HeedError(
                    .badInput, "the line has neither ids nor a prompt", in: place,
                    expected: "{\"ids\": [...]} or {\"prompt\": \"...\"}", got: value.kindName)
            }
        }
        if prompts.isEmpty {
            throw HeedError(
                .badInput, "the file holds no prompt", in: path,
                expected: "{\"ids\": [...]} or {\"prompt\": \"...\"} on every line")
        }
        return prompts
    }

    private func wrong(_ member: String, _ got: String, _ place: String) -> HeedError {
        HeedError(
            .badInput, "the member \(quoted(member)) is of the wrong kind", in: place,
            expected: member == "ids" ? "an array of integers" : "a string", got: got)
    }

    private func narrow(_ id: Int, _ place: String) throws -> Int32 {
        guard let narrow = Int32(exactly: id) else { throw outside(id, place) }
        return narrow
    }

    private func checked(_ ids: [Int32], _ place: String) throws -> [Int32] {
        if ids.isEmpty { throw HeedError(.badInput, "the prompt is empty", in: place, expected: "at least one id") }
        for id in ids where id < 0 || Int(id) >= vocabulary { throw outside(Int(id), place) }
        return ids
    }

    private func outside(_ id: Int, _ place: String) -> HeedError {
        HeedError(
            .badInput, "an id is not in the model's vocabulary", in: place,
            expected: "ids from 0 to \(vocabulary - 1)", got: "\(id)")
    }
}
