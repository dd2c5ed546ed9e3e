import Heed
import NIOConcurrencyHelpers

/// The constraints that were asked for last: building one costs a walk over the vocabulary.
final class ConstraintCache: Sendable {
    private let names: TokenNames
    private let known = NIOLockedValueBox<[(form: Receipt.Form, constraint: TokenConstraint)]>([])
    private static let limit = 32

    init(_ names: TokenNames) { self.names = names }

    /// - Throws: `HeedError` where the form is malformed, or says something that is not supported.
    func constraint(_ form: Receipt.Form) throws -> TokenConstraint {
        if let hit = known.withLockedValue({ known -> TokenConstraint? in
            guard let place = known.firstIndex(where: { $0.form == form }) else { return nil }
            let entry = known.remove(at: place)
            known.append(entry)
            return entry.constraint
        }) {
            return hit
        }
        let tokens = names.all
        let constraint =
            switch form {
            case .jsonSchema(let text):
                try TokenConstraint(jsonSchema: try JSON.parse(text, in: "schema"), tokens: tokens)
            case .regularExpression(let text): try TokenConstraint(regularExpression: text, tokens: tokens)
            case .grammar(let text): try TokenConstraint(gbnf: text, tokens: tokens)
            }
        known.withLockedValue { known in
            known.append((form, constraint))
            if known.count > ConstraintCache.limit { known.removeFirst() }
        }
        return constraint
    }
}
