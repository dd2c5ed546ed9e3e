import Heed

/// A call of a tool that a model wrote.
struct ToolCall: Equatable {
    let id: String
    let name: String
    /// JSON text.
    let arguments: String

    init(name: String, arguments: JSON) {
        id = "call_" + AnswerHead.random()
        self.name = name
        self.arguments = arguments.stringValue ?? arguments.serialised()
    }

    /// As OpenAI has it; pieces of a stream have numbers.
    func json(index: Int?) -> JSON {
        var members: JSONObject = [
            "id": .string(id), "type": "function",
            "function": ["name": .string(name), "arguments": .string(arguments)],
        ]
        if let index { members["index"] = .integer(index) }
        return .object(members)
    }
}

/// How a model writes calls of tools, told by its chat template.
enum ToolConvention: Equatable {
    /// `<tool_call>{"name": …, "arguments": {…}}</tool_call>`, as Hermes and Qwen do.
    case tagged
    /// `[TOOL_CALLS] [{"name": …, "arguments": {…}}]`, as Mistral does.
    case list
    /// The whole answer is `{"name": …, "parameters": {…}}`, as with LLaMA 3 and with calls that are required.
    case json
    /// Not known: an answer is text.
    case none

    init(template: String) {
        if template.contains("<tool_call>") {
            self = .tagged
        } else if template.contains("[TOOL_CALLS]") {
            self = .list
        } else if template.contains("<|python_tag|>") || template.contains("\"parameters\"") {
            self = .json
        } else {
            self = .none
        }
    }

    /// What begins calls; nothing before it belongs to one.
    var marker: String {
        switch self {
        case .tagged: "<tool_call>"
        case .list: "[TOOL_CALLS]"
        case .json, .none: ""
        }
    }

    /// The text beside the calls, and the calls. What is malformed stays text.
    func parse(_ text: String) -> (content: String, calls: [ToolCall]) {
        switch self {
        case .none: return (text, [])
        case .json:
            var body = text[...]
            for prefix in ["<|python_tag|>", "<|tool_call|>"] where body.hasPrefix(prefix) {
                body = body.dropFirst(prefix.count)
            }
            let parts = body.split(separator: ";").map(String.init)
            let calls =
                ToolConvention.calls(String(body))
                ?? parts.reduce([] as [ToolCall]?) { list, part in
                    list.flatMap { list in ToolConvention.calls(part).map { list + $0 } }
                }
            return calls.map { $0.isEmpty ? (text, []) : ("", $0) } ?? (text, [])
        case .list:
            guard let place = text.firstRange(of: marker),
                let calls = ToolConvention.calls(String(text[place.upperBound...]))
            else { return (text, []) }
            return (ToolConvention.trimmed(text[..<place.lowerBound]), calls)
        case .tagged:
            var content = ""
            var calls: [ToolCall] = []
            var rest = text[...]
            while let start = rest.firstRange(of: "<tool_call>") {
                let body = rest[start.upperBound...]
                let end = body.firstRange(of: "</tool_call>")
                guard let found = ToolConvention.calls(String(body[..<(end?.lowerBound ?? body.endIndex)])) else {
                    break
                }
                content += rest[..<start.lowerBound]
                calls += found
                rest = body[(end?.upperBound ?? body.endIndex)...]
            }
            return calls.isEmpty ? (text, []) : (ToolConvention.trimmed((content + rest)[...]), calls)
        }
    }

    /// A call, or a list of calls, in JSON.
    private static func calls(_ text: String) -> [ToolCall]? {
        guard let json = try? JSON.parse(text, maximumDepth: 64) else { return nil }
        let list = json.arrayValue ?? [json]
        var calls: [ToolCall] = []
        for entry in list {
            guard let name = entry["name"]?.stringValue else { return nil }
            calls.append(ToolCall(name: name, arguments: entry["arguments"] ?? entry["parameters"] ?? [:]))
        }
        return calls
    }

    private static func trimmed(_ text: Substring) -> String {
        var text = text
        while text.last?.isWhitespace == true { text.removeLast() }
        while text.first?.isWhitespace == true { text.removeFirst() }
        return String(text)
    }

    /// The names of the tools of a request, all of them functions.
    static func names(_ fields: RequestFields) throws -> [String] {
        guard let tools = fields["tools"] else { return [] }
        guard let list = tools.arrayValue, list.count <= 128 else {
            throw fields.wrong("tools", "a list of at most 128 tools")
        }
        return try list.map { tool in
            guard tool["type"] == "function", let name = tool["function"]?["name"]?.stringValue else {
                throw fields.wrong("tools", "tools of type function, with names", tool)
            }
            return name
        }
    }

    /// JSON that calls a tool, or the one of a name.
    func schema(for choice: ToolChoice, _ tools: JSON?) -> String {
        var forms: [JSON] = []
        for tool in tools?.arrayValue ?? [] {
            guard let name = tool["function"]?["name"]?.stringValue else { continue }
            if case .function(let wanted) = choice, wanted != name { continue }
            forms.append([
                "type": "object",
                "properties": [
                    "name": ["const": .string(name)],
                    "arguments": tool["function"]?["parameters"] ?? ["type": "object"],
                ],
                "required": ["name", "arguments"], "additionalProperties": false,
            ])
        }
        return (forms.count == 1 ? forms[0] : ["anyOf": .array(forms)]).serialised()
    }
}

/// Whether a tool is called.
enum ToolChoice: Equatable {
    case auto
    case required
    case function(String)

    init(_ fields: RequestFields, names: [String]) throws {
        switch fields["tool_choice"] {
        case nil, "auto"?, "none"?: self = .auto
        case "required"?: self = .required
        case let choice?:
            guard let name = choice["function"]?["name"]?.stringValue, names.contains(name) else {
                throw fields.wrong("tool_choice", "none, auto, required or one of the functions")
            }
            self = .function(name)
        }
        if self != .auto, names.isEmpty {
            throw APIError(400, "'tool_choice' is only allowed when 'tools' are specified.", param: "tool_choice")
        }
    }
}

/// Holds back text of a stream that may be part of a call.
struct ToolWatch {
    private let convention: ToolConvention
    private var held = ""
    private var isHolding = false

    init(_ convention: ToolConvention) {
        self.convention = convention
        isHolding = convention == .json
    }

    /// The text that belongs to no call.
    mutating func append(_ text: String) -> String {
        if convention == .none { return text }
        held += text
        if isHolding { return "" }
        let marker = convention.marker
        if let place = held.firstRange(of: marker) {
            isHolding = true
            defer { held = String(held[place.lowerBound...]) }
            return String(held[..<place.lowerBound])
        }
        var kept = min(held.utf8.count, marker.utf8.count - 1)
        while kept > 0, !held.utf8.suffix(kept).elementsEqual(marker.utf8.prefix(kept)) { kept -= 1 }
        let out = String(decoding: held.utf8.dropLast(kept), as: UTF8.self)
        held = String(decoding: held.utf8.suffix(kept), as: UTF8.self)
        return out
    }

    /// What is left: text, and calls.
    mutating func finish(_ text: String) -> (text: String, calls: [ToolCall]) {
        let shown = append(text)
        let (content, calls) = convention.parse(held)
        return (shown + content, calls)
    }
}
