import HeedLayers
import HeedTensor

/// What stands on an encoder's states.
public enum EncoderHead: Sendable, Equatable {
    /// Nothing: states are the answer.
    case none
    /// Logits of the id at every position (Devlin et al. 2019, task 1).
    case maskedLanguage
    /// The same, and whether the second sentence follows the first (tasks 1 and 2).
    case pretraining
    /// One class per sequence.
    case sequenceClassifier(labels: Int)
    /// One class per position.
    case tokenClassifier(labels: Int)
    /// Whether the token at each position was replaced by another: one logit per position (Clark et al. 2020).
    case replacedTokens

    /// Whether the published encoders with this head pool the first position's state.
    var readsFirstState: Bool {
        switch self {
        case .none, .pretraining, .sequenceClassifier: true
        case .maskedLanguage, .tokenClassifier, .replacedTokens: false
        }
    }
}

/// The shape of an encoder: BERT and RoBERTa are values of it.
///
/// What the blocks are made from is said by `stack`, whose members are members of the configuration too.
@dynamicMemberLookup
public struct EncoderConfiguration: Sendable, Equatable {
    /// V.
    public var vocabulary: Int
    /// The longest sequence.
    public var context: Int
    /// The blocks.
    public var stack: StackShape
    /// How positions enter the embeddings.
    public var embeddedPositions: EmbeddedPositions = .learned()
    /// Kinds of tokens (first sentence, second sentence).
    public var types: Int
    /// The id that stands for nothing; its lookups give no gradient.
    public var padding: Int
    /// What stands on the last block.
    public var head: EncoderHead
    /// What the classes are called, one name each; empty where they have numbers only.
    public var labelNames: [String] = []
    /// Whether the first position's state goes through one more map: `tanh(W · h + b)`.
    public var hasPooler: Bool
    /// Whether a sequence classifier has a map `tanh(W · h + b)` of its own before the classes (RoBERTa).
    public var classifierHasDense: Bool = false
    /// f of that map.
    public var classifierActivation: Activation = .tanh
    /// Whether classes are read from what the masked-language head makes of the states (ModernBERT).
    public var classifierTransforms = false
    /// Whether the first map of a head has an offset.
    public var headBias = true
    /// Columns of the embeddings, where they are mapped to those of the stream (ELECTRA).
    public var embeddingWidth: Int?
    /// Whether the masked-language head's matrix is the embedding table.
    public var tied: Bool = true
    /// Rate of dropout on the embeddings.
    public var embeddingDropout: Float = 0
    /// Rate before the classes.
    public var classifierDropout: Float = 0

    /// A shape; tokens see all others, positions are learned, norms stand behind the halves.
    public init(
        vocabulary: Int, context: Int, stack: StackShape, types: Int, padding: Int, head: EncoderHead, hasPooler: Bool
    ) {
        self.vocabulary = vocabulary
        self.context = context
        self.stack = stack
        self.types = types
        self.padding = padding
        self.head = head
        self.hasPooler = hasPooler
        self.stack.placement = .after
        self.stack.finalNorm = false
    }

    /// The members of the stack.
    public subscript<Value>(dynamicMember member: WritableKeyPath<StackShape, Value>) -> Value {
        get { stack[keyPath: member] }
        set { stack[keyPath: member] = newValue }
    }

    /// Rows of a learned position table before that of the first position: 0 in BERT, padding id + 1 in RoBERTa.
    public var firstPosition: Int {
        get { if case .learned(let first) = embeddedPositions { first } else { 0 } }
        set { embeddedPositions = .learned(first: newValue) }
    }

    /// BERT (Devlin et al. 2019) of a width and depth.
    public static func bert(
        width: Int, layers: Int, heads: Int, inner: Int? = nil, vocabulary: Int = 30_522, context: Int = 512,
        head: EncoderHead = .pretraining
    ) -> EncoderConfiguration {
        var stack = StackShape(layers: layers, width: width, heads: heads, inner: inner ?? 4 * width)
        stack.epsilon = 1e-12
        var configuration = EncoderConfiguration(
            vocabulary: vocabulary, context: context, stack: stack, types: 2, padding: 0, head: head,
            hasPooler: head.readsFirstState)
        configuration.drop(0.1)
        return configuration
    }

    /// Sets one dropout rate everywhere.
    mutating func drop(_ rate: Float) {
        embeddingDropout = rate
        classifierDropout = rate
        stack.drop(rate)
    }

    /// Classes of the classifier, or nil.
    public var labels: Int? {
        switch head {
        case .sequenceClassifier(let labels), .tokenClassifier(let labels): labels
        default: nil
        }
    }

    /// Logits of a sequence or position: as many as classes, or one; nil without such a head.
    public var classLogits: Int? { head == .replacedTokens ? 1 : labels }

    /// What class `label` is called: its name, or `LABEL_` and its number as in `transformers`.
    public func labelName(_ label: Int) -> String {
        labelNames.indices.contains(label) ? labelNames[label] : "LABEL_\(label)"
    }

    /// Whether logits over ids are there.
    public var predictsIds: Bool { head == .maskedLanguage || head == .pretraining }

    /// Floating-point operations of one token's way to its logits, `keys` keys being visible.
    public func operationsPerToken(keys: Double) -> Double {
        let c = Double(stack.width)
        return stack.operationsPerToken(keys: keys) + (predictsIds ? 2 * c * (c + Double(vocabulary)) : 0)
    }
}
