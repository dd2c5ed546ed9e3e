import HeedSupport

/// SentencePiece's byte-pair encoding: adjacent symbols merge while the joined text is a piece, best score first, ties
/// leftmost; user-defined pieces never merge.
///
/// Source: the reference implementation's `bpe_model.cc`. Merges are looked up by the ids of the two symbols in a table
/// made once, instead of by joined text; characters that are no pieces get numbers of their own for it.
struct PieceMerging: Sendable {
    /// What joining two symbols gives.
    private struct Join {
        var left: Int32
        var right: Int32
        var merged: Int32
    }

    private let characters: DoubleArray
    /// The symbols of characters of one byte.
    private let byteSymbols: FrozenBuffer<Int32>
    private let joins: FrozenBuffer<Join>
    private let joinMask: Int
    private let scores: FrozenBuffer<Float>
    private let pieceCount: Int
    /// Pieces that encoding must not give: they are cut up again, and single characters are unknown.
    private let unused: Set<Int32>
    private let userDefined: DoubleArray?
    let unknownID: TokenID
    /// Where the text may be cut before it is merged.
    let borders: PieceBorders

    /// A symbol that stands for no piece: a character outside the vocabulary.
    private static let stranger: Int32 = -1

    /// The merges of a file's pieces, whose texts and ids `vocabulary` has; O(bytes of the pieces).
    init(_ file: SentencePieceFile, vocabulary: Vocabulary) {
        let alphabet = Alphabet(file, vocabulary)
        joins = Self.table(of: alphabet.joins())
        joinMask = joins.count - 1
        scores = FrozenBuffer(alphabet.scores)
        pieceCount = file.pieces.count
        var bytes = [Int32](repeating: Self.stranger, count: 256)
        for character in alphabet.characters where character.key.count == 1 {
            bytes[Int(character.key[0])] = Int32(character.value)
        }
        byteSymbols = FrozenBuffer(bytes)
        characters = DoubleArray(keys: alphabet.characters)
        unused = Set(file.pieces.indices.filter { file.pieces[$0].role == .unused }.map(Int32.init))
        let marked = file.pieces.enumerated().filter { $0.element.role == .userDefined }
        userDefined = marked.isEmpty ? nil : DoubleArray(keys: marked.map { ($0.element.text, $0.offset) })
        unknownID = TokenID(file.pieces.firstIndex { $0.role == .unknown } ?? 0)
        borders = PieceBorders(file.pieces.lazy.filter(\.role.isSegmentable).map(\.text))
    }

    /// The numbers of a file's symbols while the table of its merges is made.
    private struct Alphabet {
        let file: SentencePieceFile
        let vocabulary: Vocabulary
        private(set) var characters: [(key: [UInt8], value: Int)] = []
        private(set) var scores: [Float]
        /// Characters that are no pieces get numbers of their own, so that every split finds its halves.
        private var strangers: [[UInt8]: Int32] = [:]

        init(_ file: SentencePieceFile, _ vocabulary: Vocabulary) {
            self.file = file
            self.vocabulary = vocabulary
            scores = file.pieces.map(\.score)
            var seen: Set<UInt32> = []
            for piece in file.pieces where piece.role.isSegmentable {
                piece.text.withUnsafeBufferPointer { text in
                    var at = 0
                    while at < text.count {
                        let length = UnigramPieces.characterLength(text, at)
                        var packed: UInt32 = 0
                        for index in at..<at + length { packed = packed << 8 | UInt32(text[index]) }
                        if seen.insert(packed).inserted { add(UnsafeBufferPointer(rebasing: text[at..<at + length])) }
                        at += length
                    }
                }
            }
        }

        private mutating func add(_ character: UnsafeBufferPointer<UInt8>) {
            let key = Array(character)
            if let id = piece(character) { return characters.append((key, Int(id))) }
            characters.append((key, scores.count))
            strangers[key] = Int32(scores.count)
            scores.append(0)
        }

        /// The id of a text that is a piece of its own.
        private func piece(_ text: UnsafeBufferPointer<UInt8>) -> Int32? {
            guard let id = vocabulary.id(of: text) else { return nil }
            return file.pieces[Int(id)].role.isSegmentable ? id : nil
        }

        /// The symbol that a part of a piece is.
        private func half(_ text: UnsafeBufferPointer<UInt8>) -> Int32? {
            if let id = piece(text) { return id }
            return text.count <= 4 && !strangers.isEmpty ? strangers[Array(text)] : nil
        }

        /// Every way to put a piece together from two symbols.
        func joins() -> [Join] {
            var joins: [Join] = []
            joins.reserveCapacity(file.pieces.count * 2)
            for (id, piece) in file.pieces.enumerated() where piece.role.isSegmentable {
                piece.text.withUnsafeBufferPointer { text in
                    var at = UnigramPieces.characterLength(text, 0)
                    while at < text.count {
                        if let left = half(UnsafeBufferPointer(rebasing: text[..<at])),
                            let right = half(UnsafeBufferPointer(rebasing: text[at...]))
                        {
                            joins.append(Join(left: left, right: right, merged: Int32(id)))
                        }
                        at += UnigramPieces.characterLength(text, at)
                    }
                }
            }
            return joins
        }
    }

    /// An open hash table, at most half full; of equal halves the first is found.
    private static func table(of joins: [Join]) -> FrozenBuffer<Join> {
        var capacity = 16
        while capacity < joins.count * 2 { capacity *= 2 }
        var table = [Join](repeating: Join(left: -1, right: -1, merged: -1), count: capacity)
        for join in joins {
            var slot = Self.slot(join.left, join.right) & (capacity - 1)
            while table[slot].merged >= 0 { slot = (slot + 1) & (capacity - 1) }
            table[slot] = join
        }
        return FrozenBuffer(table)
    }

    @inline(__always)
    private static func slot(_ left: Int32, _ right: Int32) -> Int {
        let key = UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
        return Int(truncatingIfNeeded: mixBits(key) >> 1)
    }

    /// The piece that two symbols join to, or −1.
    @inline(__always)
    private func join(_ left: Int32, _ right: Int32) -> Int32 {
        var slot = Self.slot(left, right) & joinMask
        while true {
            let join = joins.pointer[slot]
            if join.merged < 0 { return -1 }
            if join.left == left, join.right == right { return join.merged }
            slot = (slot + 1) & joinMask
        }
    }

    /// The score and id of the piece that two symbols join to, or nil.
    func joined(_ left: Int32, _ right: Int32) -> (score: Float, id: Int32)? {
        guard left >= 0, right >= 0 else { return nil }
        let merged = join(left, right)
        return merged >= 0 && !unused.contains(merged) ? (scores.pointer[Int(merged)], merged) : nil
    }

    /// A symbol as a piece: the unknown one if it is none.
    func known(_ symbol: Int32) -> Int32 {
        symbol >= 0 && Int(symbol) < pieceCount && !unused.contains(symbol) ? symbol : unknownID
    }

    /// The symbols of a stretch, in runs that user-defined pieces end.
    func symbols(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> [[PieceSpan]] {
        var symbols = GrowingBuffer<Symbol>(minimumCapacity: 64)
        split(text, range, &symbols)
        var runs: [[PieceSpan]] = []
        var isAfterFrozen = true
        for index in 0..<symbols.count {
            let symbol = symbols[index]
            let span = PieceSpan(start: symbol.start, end: symbol.start + symbol.length, id: symbol.id)
            if isAfterFrozen || symbol.isFrozen { runs.append([span]) } else { runs[runs.count - 1].append(span) }
            isAfterFrozen = symbol.isFrozen
        }
        return runs
    }

    /// A symbol of the text while it is merged.
    struct Symbol {
        var previous: Int32
        var next: Int32
        var start: Int32
        /// 0 once merged into its left neighbour.
        var length: Int32
        var id: Int32
        var isFrozen: Bool
    }

    /// Two neighbours that may merge.
    struct Pair {
        var score: Float
        var left: Int32
        var right: Int32
        var length: Int32
        var merged: Int32

        @inline(__always)
        func precedes(_ other: Pair) -> Bool {
            score != other.score ? score > other.score : left < other.left
        }
    }

    /// Room for merging, reused from one stretch of text to the next.
    struct Workspace: ~Copyable {
        fileprivate var symbols = GrowingBuffer<Symbol>(minimumCapacity: 64)
        fileprivate var heap = GrowingBuffer<Pair>(minimumCapacity: 64)
        /// How unused pieces were put together, for cutting them up again.
        fileprivate var parts: [Int32: (left: PieceSpan, right: PieceSpan)] = [:]
        fileprivate var spans = GrowingBuffer<PieceSpan>(minimumCapacity: 64)

        init() {}
    }

    /// Calls `body` with the pieces of a text; pieces outside the vocabulary have the unknown id.
    ///
    /// Time O(n log n) in the length of the longest stretch without a border.
    func segment(_ text: UnsafeBufferPointer<UInt8>, _ body: (PieceSpan) -> Void) {
        var workspace = Workspace()
        var start = 0
        while start < text.count {
            let end = borders.end(text, from: start)
            segment(text, start..<end, &workspace, body)
            start = end
        }
    }

    /// Calls `body` with the pieces of one stretch.
    func segment(
        _ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ workspace: inout Workspace,
        _ body: (PieceSpan) -> Void
    ) {
        workspace.symbols.removeAll()
        workspace.spans.removeAll()
        if !workspace.parts.isEmpty { workspace.parts.removeAll() }
        split(text, range, &workspace.symbols)
        merge(&workspace)
        let symbols = workspace.symbols.base
        var index = workspace.symbols.count == 0 ? -1 : 0
        while index >= 0 {
            let symbol = symbols[index]
            let span = PieceSpan(start: symbol.start, end: symbol.start + symbol.length, id: symbol.id)
            if unused.isEmpty {
                let isPiece = span.id >= 0 && Int(span.id) < pieceCount
                body(PieceSpan(start: span.start, end: span.end, id: isPiece ? span.id : unknownID))
            } else {
                emit(span, &workspace)
            }
            index = Int(symbol.next)
        }
        for index in 0..<workspace.spans.count { body(workspace.spans[index]) }
    }

    /// Merges the symbols, best pair first.
    private func merge(_ workspace: inout Workspace) {
        workspace.heap.removeAll()
        for index in 1..<max(1, workspace.symbols.count) { consider(index - 1, index, &workspace) }
        // The symbols do not grow while they merge.
        let symbols = workspace.symbols.base
        while let pair = workspace.heap.pop(before: { $0.precedes($1) }) {
            let left = Int(pair.left)
            let right = Int(pair.right)
            let rightLength = symbols[right].length
            if symbols[left].length == 0 || rightLength == 0 || symbols[left].length + rightLength != pair.length {
                continue
            }
            let previous = Int(symbols[left].previous)
            let next = Int(symbols[right].next)
            symbols[left].length = pair.length
            symbols[left].id = pair.merged
            symbols[left].next = Int32(next)
            if next >= 0 { symbols[next].previous = pair.left }
            symbols[right].length = 0
            consider(previous, left, &workspace)
            consider(left, next, &workspace)
        }
    }

    /// Cuts the text into characters and user-defined pieces.
    private func split(
        _ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ symbols: inout GrowingBuffer<Symbol>
    ) {
        var at = range.lowerBound
        while at < range.upperBound {
            var length = min(UnigramPieces.characterLength(text, at), range.upperBound - at)
            var id = Self.stranger
            var isFrozen = false
            if let userDefined, let found = userDefined.longestPrefix(text, from: at) {
                length = found.length
                id = Int32(found.value)
                isFrozen = true
            } else if length == 1 {
                id = byteSymbols.pointer[Int(text[at])]
            } else {
                let character = UnsafeBufferPointer(rebasing: text[at..<at + length])
                if let symbol = characters.value(of: character) { id = Int32(symbol) }
            }
            let index = Int32(symbols.count)
            symbols.append(
                Symbol(
                    previous: index - 1, next: at + length < range.upperBound ? index + 1 : -1, start: Int32(at),
                    length: Int32(length), id: id, isFrozen: isFrozen))
            at += length
        }
    }

    /// Puts two neighbours on the heap if they join to a piece.
    @inline(__always)
    private func consider(_ left: Int, _ right: Int, _ workspace: inout Workspace) {
        guard left >= 0, right >= 0 else { return }
        let leftSymbol = workspace.symbols.base[left]
        let rightSymbol = workspace.symbols.base[right]
        if leftSymbol.isFrozen || rightSymbol.isFrozen || leftSymbol.id < 0 || rightSymbol.id < 0 { return }
        let merged = join(leftSymbol.id, rightSymbol.id)
        guard merged >= 0 else { return }
        workspace.heap.push(
            Pair(
                score: scores.pointer[Int(merged)], left: Int32(left), right: Int32(right),
                length: leftSymbol.length + rightSymbol.length, merged: merged), before: { $0.precedes($1) })
        if !unused.isEmpty, unused.contains(merged) {
            workspace.parts[merged] = (Self.span(leftSymbol), Self.span(rightSymbol))
        }
    }

    private static func span(_ symbol: Symbol) -> PieceSpan {
        PieceSpan(start: symbol.start, end: symbol.start + symbol.length, id: symbol.id)
    }

    /// Gives out a symbol; unused pieces are cut up again into what they were made of.
    private func emit(_ span: PieceSpan, _ workspace: inout Workspace) {
        var pending = [span]
        while let span = pending.popLast() {
            if let parts = workspace.parts[span.id] {
                let middle = span.start + (parts.left.end - parts.left.start)
                pending.append(PieceSpan(start: middle, end: span.end, id: parts.right.id))
                pending.append(PieceSpan(start: span.start, end: middle, id: parts.left.id))
                continue
            }
            let isPiece = span.id >= 0 && Int(span.id) < pieceCount && !unused.contains(span.id)
            workspace.spans.append(
                PieceSpan(start: span.start, end: span.end, id: isPiece ? span.id : unknownID))
        }
    }
}

extension SentencePieceFile.Piece.Role {
    /// Whether text can give such a piece by its spelling.
    var isSegmentable: Bool {
        switch self {
        case .normal, .userDefined, .unused: true
        case .unknown, .control, .byte: false
        }
    }
}
