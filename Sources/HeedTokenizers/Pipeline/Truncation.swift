import HeedSupport

/// How a text that is too long is cut.
public struct Truncation: Sendable, Equatable {
    /// Which of two texts gives way.
    public enum Strategy: String, Sendable, CaseIterable {
        /// The longer one, token by token.
        case longestFirst = "longest-first"
        /// The first.
        case onlyFirst = "only-first"
        /// The second.
        case onlySecond = "only-second"
    }

    /// The most tokens, those that the template adds included.
    public var maximumLength: Int
    /// Which of two texts gives way.
    public var strategy: Strategy
    /// How many tokens the windows of the overflow share.
    public var stride: Int
    /// Whether the start of the text is cut rather than its end.
    public var fromLeft: Bool

    /// Cuts texts to at most so many tokens.
    public init(
        maximumLength: Int, strategy: Strategy = .longestFirst, stride: Int = 0, fromLeft: Bool = false
    ) {
        self.maximumLength = maximumLength
        self.strategy = strategy
        self.stride = stride
        self.fromLeft = fromLeft
    }

    /// Cuts one or two encodings to a total of `maximumLength − added` tokens.
    ///
    /// - Throws: `HeedError` of kind `usage` where the strategy cannot reach the length, or the stride is too large.
    func apply(_ encodings: inout [Encoding], added: Int) throws {
        let limit = maximumLength - added
        guard limit >= 0 else {
            throw HeedError(
                .usage, "the maximum length \(maximumLength) leaves no room for the text", in: "`maximumLength`",
                expected: "at least the \(added) special tokens that the template adds")
        }
        let total = encodings.reduce(0) { $0 + $1.count }
        guard total > limit else { return }
        let remove = total - limit
        switch strategy {
        case .longestFirst where encodings.count > 1:
            var shorter = encodings[0].count
            var longer = encodings[1].count
            let swapped = shorter > longer
            if swapped { swap(&shorter, &longer) }
            longer = shorter > limit ? shorter : max(shorter, limit - shorter)
            if shorter + longer > limit {
                shorter = limit / 2
                longer = shorter + limit % 2
            }
            if swapped { swap(&shorter, &longer) }
            try cut(&encodings[0], to: shorter)
            try cut(&encodings[1], to: longer)
        case .longestFirst, .onlyFirst, .onlySecond:
            let index = strategy == .onlySecond ? 1 : 0
            guard index < encodings.count else {
                throw HeedError(
                    .usage, "there is no second text to cut", in: "`truncation` only-second", advice: "Use `pair`")
            }
            guard encodings[index].count > remove || encodings.count == 1 else {
                throw HeedError(
                    .badInput,
                    "the \(index == 0 ? "first" : "second") text of \(encodings[index].count) tokens is too short to "
                        + "take \(remove) tokens from", in: "`truncation` \(strategy.rawValue)",
                    advice: "Use `truncation` longest-first or a larger `maximumLength`")
            }
            try cut(&encodings[index], to: encodings[index].count - remove)
        }
    }

    private func cut(_ encoding: inout Encoding, to length: Int) throws {
        guard length >= encoding.count || stride < max(length, 1) else {
            throw HeedError(
                .usage, "the stride is too large", in: "`stride`",
                expected: "less than the \(length) tokens of a window", got: String(stride))
        }
        encoding.truncate(to: length, stride: stride, fromLeft: fromLeft)
    }
}

/// How short texts are filled up.
public struct Padding: Sendable, Equatable {
    /// To which length.
    public enum Target: Sendable, Equatable {
        /// To that of the longest text of the batch.
        case longest
        /// To a number of tokens.
        case fixed(Int)
    }

    /// To which length texts are filled.
    public var target: Target
    /// The id of the filling token.
    public var id: TokenID
    /// Its text.
    public var token: String
    /// Its type id.
    public var typeID: Int32
    /// Whether the filling goes before the text.
    public var onLeft: Bool
    /// The length is rounded up to a multiple of this, if it is not 0.
    public var multiple: Int

    /// Fills texts with the token `id`.
    public init(
        target: Target = .longest, id: TokenID, token: String, typeID: Int32 = 0, onLeft: Bool = false,
        multiple: Int = 0
    ) {
        self.target = target
        self.id = id
        self.token = token
        self.typeID = typeID
        self.onLeft = onLeft
        self.multiple = multiple
    }

    /// Fills a batch.
    func apply(_ encodings: inout [Encoding]) {
        var length: Int
        switch target {
        case .longest: length = encodings.reduce(0) { max($0, $1.count) }
        case .fixed(let count): length = count
        }
        if multiple > 1, length % multiple != 0 { length += multiple - length % multiple }
        for index in encodings.indices { encodings[index].pad(to: length, with: self) }
    }
}
