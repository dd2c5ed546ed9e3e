import Heed
import HeedSupport

extension Conversation {
    /// The conversations of a file: one in JSON, or one on every line.
    static func read(_ path: String) throws -> [Conversation] {
        StandardInput.prepare(path)
        let file = try InputFile.open(path)
        defer { withExtendedLifetime(file) {} }
        let bytes = Array(file.bytes)
        let path = file.name
        if let whole = try? JSON.parse(bytes) {
            // An array of arrays or of objects with messages holds several.
            if case .array(let elements) = whole, elements.first?["role"] == nil, !elements.isEmpty {
                return try elements.enumerated().map {
                    try Conversation($0.element, in: "\(path), conversation \($0.offset + 1)")
                }
            }
            return [try Conversation(whole, in: path)]
        }
        var conversations: [Conversation] = []
        for (number, line) in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
            if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { continue }
            let place = "\(path), line \(number + 1)"
            conversations.append(try Conversation(try JSON.parse(Array(line), in: place), in: place))
        }
        guard !conversations.isEmpty else {
            throw HeedError(.badInput, "the file holds no conversation", in: path)
        }
        return conversations
    }
}
