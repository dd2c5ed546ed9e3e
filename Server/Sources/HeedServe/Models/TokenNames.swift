import Heed
import NIOConcurrencyHelpers

/// What each id adds to a text, and how it is named in log probabilities.
///
/// The bytes of all ids are found when they are first asked for.
final class TokenNames: Sendable {
    private let tokenizer: Tokenizer?
    private let vocabulary: Int
    private let known = NIOLockedValueBox<[[UInt8]]?>(nil)

    init(_ tokenizer: Tokenizer?, vocabulary: Int) {
        self.tokenizer = tokenizer
        self.vocabulary = vocabulary
    }

    /// The bytes that every id adds to a text.
    var all: [[UInt8]] {
        known.withLockedValue { known in
            if let known { return known }
            let bytes = tokenizer?.tokenBytes(count: vocabulary) ?? Array(repeating: [], count: vocabulary)
            known = bytes
            return bytes
        }
    }

    /// The bytes that an id adds to a text; none for special tokens.
    func bytes(_ id: Int32) -> [UInt8] {
        let all = all
        return all.indices.contains(Int(id)) ? all[Int(id)] : []
    }

    /// The name of an id: its text; for part of a character its bytes, `bytes:\xe2\x82`, as OpenAI writes them; for a
    /// special token what it is spelled.
    func name(_ id: Int32) -> String {
        let bytes = bytes(id)
        if bytes.isEmpty { return tokenizer?.token(of: id) ?? "" }
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        return "bytes:" + bytes.map { "\\x" + [$0].hexadecimal }.joined()
    }
}
