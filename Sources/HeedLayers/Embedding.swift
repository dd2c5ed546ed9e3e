import HeedTensor

/// Where a position's row comes from, for stacks that add positions to embeddings.
public enum EmbeddedPositions: Sendable, Equatable {
    /// None: positions enter elsewhere or nowhere.
    case none
    /// A learned table, a row per position behind `first` rows of another use.
    case learned(first: Int = 0)
    /// Sines and cosines.
    case sinusoidal(SinusoidalPositions)
    /// Numbers that a file gives and no training moves.
    case stored
}

/// What an embedding does beside looking rows up.
public struct EmbeddingShape: Sendable {
    /// Where a token's place comes in.
    public var positions: EmbeddedPositions
    /// How many positions a table of them holds.
    public var context: Int
    /// How many types of tokens there are; nil: none.
    public var types: Int?
    /// The norm on the sum, where there is one.
    public var norm: (kind: NormKind, epsilon: Float, offset: Bool)?
    /// The columns of the stream, where the tables have others.
    public var stream: Int?
    /// What the rows of the table of tokens are multiplied with.
    public var scale: Float = 1
    /// The id whose row does not learn.
    public var padding: Int?
    /// Rate at which the rows are dropped in training.
    public var dropout: Float = 0
    /// How tables start.
    public var initial = Initialiser.normal(0.02)

    /// Rows of tokens with `positions`, of which a table holds `context`.
    public init(positions: EmbeddedPositions, context: Int) {
        self.positions = positions
        self.context = context
    }
}

/// Ids → rows of the stream: `y = dropped(norm(s · E[id] + P[position] + S[type]))`, each part but E optional.
///
/// `[rows] → [rows, C]`.
public struct Embedding: Sendable {
    /// Where the layer stands in the model.
    public let path: String
    /// E [V, C].
    public let table: Parameter
    /// P [first + context, C], where positions are learned.
    public let positionTable: Parameter?
    /// S [types, C].
    public let typeTable: Parameter?
    /// The norm on the sum, where the model has one.
    public let norm: Norm?
    /// The map from the embeddings' columns to those of the stream, where they differ.
    public let projection: Linear?
    /// s.
    public let scale: Float
    /// The id whose lookups give no gradient.
    public let padding: Int?
    /// Rate at which the rows are dropped in training.
    public let dropout: Float
    private let positions: EmbeddedPositions

    /// Declares what is not given in `scope`; a `table` that other parts share is declared before.
    public init(_ scope: ParameterScope, table: Parameter, _ shape: EmbeddingShape) {
        path = scope.path
        let width = table.shape.last ?? 0
        self.table = table
        positions = shape.positions
        scale = shape.scale
        padding = shape.padding
        dropout = shape.dropout
        let initial = shape.initial
        switch positions {
        case .learned(let first): positionTable = scope.parameter("positions", [first + shape.context, width], initial)
        case .stored: positionTable = scope.constant("positions", [shape.context, width])
        case .none, .sinusoidal: positionTable = nil
        }
        typeTable = shape.types.map { scope.parameter("types", [$0, width], initial) }
        norm = shape.norm.map { Norm(scope / "norm", $0.kind, width: width, epsilon: $0.epsilon, offset: $0.offset) }
        projection =
            shape.stream.flatMap { $0 == width ? nil : $0 }.map {
                Linear(scope / "projection", in: width, out: $0, initial: initial)
            }
    }

    /// Records the rows of the tokens of `batch`.
    public func callAsFunction(_ batch: TokenBatch, in trace: Trace) -> Tensor {
        trace.at(path) {
            let rows = trace.embed(
                batch, table: table, positions: positionRows(in: trace), types: typeTable, scale: scale,
                padding: padding
            ).addingUpdates(ofLookups: batch, in: table, scale: scale, padding: padding)
            let ready = (norm.map { $0(rows) } ?? rows).dropped(dropout)
            return projection.map { $0(ready) } ?? ready
        }
    }

    private func positionRows(in trace: Trace) -> PositionRows? {
        switch positions {
        case .none: nil
        case .learned(let first): positionTable.map { .learned($0, first: first) }
        case .stored: positionTable.map { .learned($0) }
        case .sinusoidal(let sinusoids): trace.rows(of: sinusoids, width: table.shape.last ?? 0)
        }
    }
}
