import HeedSupport
import Synchronization

/// Makes the text of a row one that a regular expression, a JSON schema or a grammar describes.
///
/// One constraint serves any number of rows and threads, and remembers what it has found out. It works on the bytes of
/// the tokens, so any tokenizer will do. A mask costs a look-up where the same place of the grammar has been seen
/// before, some microseconds where another caller has been, and a walk over the vocabulary at a new state.
public final class TokenConstraint: Sendable, Equatable {
    /// The tokens by id, empty where a token has no text.
    let tokens: [[UInt8]]
    private let machine: Mutex<ConstraintMachine>

    /// Where a row is in the text.
    typealias Place = ConstraintMachine.Configuration

    /// Texts that match a regular expression as a whole, in the syntax that `RegularExpressionGrammar` says.
    ///
    /// - `tokens`: the bytes that each id adds to a text, empty for ids that add none.
    /// - Throws: `HeedError` (`badInput`) saying what is wrong with the expression, and where.
    public convenience init(regularExpression: String, tokens: [[UInt8]]) throws {
        try self.init(RegularExpressionGrammar.grammar(regularExpression), tokens: tokens)
    }

    /// JSON texts that a schema describes, as `JSONSchemaGrammar` says.
    ///
    /// - Throws: `HeedError` (`badInput` or `unsupported`) naming the part of the schema.
    public convenience init(jsonSchema: JSON, tokens: [[UInt8]]) throws {
        try self.init(JSONSchemaGrammar.grammar(jsonSchema), tokens: tokens)
    }

    /// Texts that a grammar in llama.cpp's notation describes, from its rule `root`.
    ///
    /// - Throws: `HeedError` (`badInput`) naming the line.
    public convenience init(gbnf: String, tokens: [[UInt8]]) throws {
        try self.init(GBNFParser.grammar(gbnf), tokens: tokens)
    }

    init(_ grammar: Grammar, tokens: [[UInt8]]) throws {
        self.tokens = tokens
        machine = Mutex(ConstraintMachine(try GrammarAutomaton(grammar), TokenTrie(tokens)))
    }

    /// A constraint equals itself.
    public static func == (left: TokenConstraint, right: TokenConstraint) -> Bool { left === right }

    /// Whether a text is one of those that the constraint describes.
    public func accepts(_ text: [UInt8]) -> Bool {
        machine.withLock { machine in
            let start = machine.start()
            return machine.read(text, from: start)?.isEnd ?? false
        }
    }

    /// Where a text begins.
    func start() -> Place { machine.withLock { $0.start() } }

    /// Where a token leads; nil where it cannot come.
    func read(_ id: Int32, from place: Place) -> Place? {
        guard tokens.indices.contains(Int(id)), !tokens[Int(id)].isEmpty else { return nil }
        return machine.withLock { $0.read(tokens[Int(id)], from: place) }
    }

    /// The tokens that may come, by the bits of words of 64.
    func mask(after place: Place) -> [UInt64] { machine.withLock { $0.mask(after: place) } }
}

/// A row's place in what its constraint describes.
struct ConstraintState {
    let constraint: TokenConstraint
    let ends: [Int32]
    /// nil where something has come that the constraint does not describe.
    private(set) var place: TokenConstraint.Place?

    init(_ constraint: TokenConstraint, ends: [Int32]) {
        self.constraint = constraint
        self.ends = ends
        place = constraint.start()
    }

    /// Whether the text is whole and nothing can follow.
    var isComplete: Bool { place.map { $0.isEnd && $0.threads.isEmpty } ?? false }

    /// Bans what cannot come: all tokens that lead nowhere, and the end ids where the text is not whole.
    func apply(to logits: UnsafeMutableBufferPointer<Float>) {
        guard let place else {
            logits.update(repeating: -.infinity)
            return
        }
        let mask = constraint.mask(after: place)
        withUnsafeTemporaryAllocation(of: Float.self, capacity: ends.count) { kept in
            for (place, id) in ends.enumerated() { kept[place] = logits[Int(id)] }
            for word in 0..<((logits.count + 63) / 64) {
                let bits = word < mask.count ? mask[word] : 0
                if bits == .max { continue }
                let range = (word * 64)..<min(word * 64 + 64, logits.count)
                if bits == 0 {
                    logits[range].update(repeating: -.infinity)
                } else {
                    for id in range where bits & (1 << UInt64(id & 63)) == 0 { logits[id] = -.infinity }
                }
            }
            for (number, id) in ends.enumerated() { logits[Int(id)] = place.isEnd ? kept[number] : -.infinity }
        }
    }

    /// The token has come.
    mutating func accept(_ id: Int32) {
        if ends.contains(id) { return }
        place = place.flatMap { constraint.read(id, from: $0) }
    }
}
