/// How the numbers of one tensor of llama.cpp's files relate to those of the published one.
enum GGUFForm: Sendable, Equatable {
    /// The same numbers in the same order.
    case same
    /// Rows of queries: published files turn the halves of a head against each other, llama.cpp neighbours.
    case queries
    /// Rows of keys, in the same way.
    case keys
    /// A matrix and its transpose.
    case transposed
    /// Gains of norms, to which llama.cpp's files have 1 added.
    case plusOne
    /// Rows of queries, keys and values: published head by head, in llama.cpp's files one after the other.
    case byHead
    /// One matrix per expert, in llama.cpp's files stacked.
    case experts
}

/// One tensor's name in published files and in llama.cpp's: `{}` stands for the layer, `[]` for the expert; `.weight` or
/// `.bias` follows both.
struct GGUFRule: Sendable {
    let published: String
    let stored: String
    let form: GGUFForm

    init(_ published: String, _ stored: String, _ form: GGUFForm = .same) {
        self.published = published
        self.stored = stored
        self.form = form
    }

    /// The name with numbers in place of the marks.
    static func name(_ template: String, layer: Int, expert: Int = 0) -> String {
        var result = ""
        var rest = Substring(template)
        while let mark = rest.firstIndex(where: { $0 == "{" || $0 == "[" }) {
            result += rest[..<mark] + String(rest[mark] == "{" ? layer : expert)
            rest = rest[rest.index(mark, offsetBy: 2)...]
        }
        return result + rest
    }

    var isPerLayer: Bool { published.contains("{}") }
}

/// A way to order the rows of a matrix.
enum RowOrder: Sendable {
    /// Rows (head, half, pair) in published files are (head, pair, half) in llama.cpp's.
    case pairs(headWidth: Int)
    /// Rows (head, part, row) in published files are (part, head, row) in llama.cpp's, with three parts.
    case parts(heads: Int, headWidth: Int)

    /// Where llama.cpp's files have a published row.
    func stored(of row: Int) -> Int {
        switch self {
        case .pairs(let width):
            let (head, within) = row.quotientAndRemainder(dividingBy: width)
            let (half, pair) = within.quotientAndRemainder(dividingBy: width / 2)
            return head * width + 2 * pair + half
        case .parts(let heads, let width):
            let (head, within) = row.quotientAndRemainder(dividingBy: 3 * width)
            let (part, place) = within.quotientAndRemainder(dividingBy: width)
            return (part * heads + head) * width + place
        }
    }

    /// Where published files have a row of llama.cpp's.
    func published(of row: Int) -> Int {
        switch self {
        case .pairs(let width):
            let (head, within) = row.quotientAndRemainder(dividingBy: width)
            return head * width + within % 2 * (width / 2) + within / 2
        case .parts(let heads, let width):
            let (block, place) = row.quotientAndRemainder(dividingBy: width)
            let (part, head) = block.quotientAndRemainder(dividingBy: heads)
            return (head * 3 + part) * width + place
        }
    }
}
