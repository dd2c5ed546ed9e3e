/// How much a template may do: a template comes with a model, from strangers, and may be made to never end.
public struct TemplateLimits: Sendable, Equatable {
    /// Work: one for each node that is evaluated, one for each element visited, one for each 64 bytes copied.
    public var steps: Int
    /// How deep macros, recursive loops and blocks may call each other. Python's own limit is reached at about 190.
    public var calls: Int
    /// Bytes of the text that comes out.
    public var outputBytes: Int
    /// Bytes that all values of one rendering may hold at a time, those of its variables excluded.
    public var memoryBytes: Int

    /// Limits for templates of models: no conversation that fits a context reaches them.
    public static let standard = TemplateLimits(
        steps: 20_000_000, calls: 190, outputBytes: 64 << 20, memoryBytes: 256 << 20)

    /// Makes limits.
    public init(steps: Int, calls: Int, outputBytes: Int, memoryBytes: Int) {
        self.steps = steps
        self.calls = min(max(calls, 1), 1000)
        self.outputBytes = outputBytes
        self.memoryBytes = memoryBytes
    }

    /// How deep lists and dictionaries may nest; also the bound of `JSON.parse`.
    static let valueDepth = 512
    /// How deep expressions, and statements, may nest in a template.
    static let syntaxDepth = 150
    /// How many evaluations may be open at a time, in all macros together: what the stack of a rendering holds.
    static let evaluations = 8_000
    /// Bytes of a template's text.
    static let sourceBytes = 8 << 20
}
