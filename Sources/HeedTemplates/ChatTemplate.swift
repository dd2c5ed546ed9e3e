import HeedSupport

/// A chat template: the Jinja that models bring along, which turns messages into the text that the model continues.
///
/// Renders as `transformers` does (a sandboxed Jinja2 environment with `trim_blocks`, `lstrip_blocks`, loop controls
/// and `generation` blocks): the same text for the same variables, or an error where Jinja raises one. A template is a
/// stranger's program, so it runs within `TemplateLimits` and can reach nothing but its variables.
public struct ChatTemplate: Sendable {
    /// The name that errors tell.
    public let name: String
    /// How much one rendering may do.
    public let limits: TemplateLimits
    /// The template itself.
    public let source: String
    private let program: Program

    /// Reads a template.
    ///
    /// - Throws: `HeedError` of kind `badInput` with the line where the template is malformed.
    /// Cost: linear in the length of the text.
    public init(_ source: String, name: String = "template", limits: TemplateLimits = .standard) throws {
        let bytes = Array(source.utf8)
        guard bytes.count <= TemplateLimits.sourceBytes else {
            throw HeedError(
                .badInput, "the template is too long", in: name,
                expected: "at most \(grouped(TemplateLimits.sourceBytes)) bytes", got: "\(grouped(bytes.count))")
        }
        self.name = name
        self.limits = limits
        self.source = source
        do { program = try onLargeStack { try Program(bytes) } } catch let error as HeedError {
            throw error.placed(beneath: name)
        }
    }

    /// Reads a template's file.
    public init(path: String, limits: TemplateLimits = .standard) throws {
        let bytes = try readFile(path)
        guard let source = String(validating: bytes, as: UTF8.self) else {
            throw HeedError(.badInput, "the template is not UTF-8", in: path)
        }
        try self.init(source, name: path, limits: limits)
    }

    /// Renders the template.
    ///
    /// - Parameters:
    ///   - variables: `messages`, `tools`, `add_generation_prompt`, `bos_token` and whatever else the template reads.
    ///   - now: the time that `strftime_now` tells; the machine's local time where it is nil.
    ///   - seed: what the filter `random` chooses by.
    /// - Throws: `HeedError` that names template and line, and what is undefined, raised or too much.
    public func render(_ variables: TemplateVariables, now: CalendarTime? = nil, seed: UInt64 = 0) throws -> String {
        let now = now ?? CalendarTime.now()
        return try onLargeStack {
            let renderer = Renderer(program, variables.values, limits: limits, now: now, seed: seed)
            do {
                return String(decoding: try renderer.run(), as: UTF8.self)
            } catch let error as HeedError {
                throw error.placed(in: "line \(renderer.line)").placed(beneath: name)
            }
        }
    }
}

extension HeedError {
    /// The same error with its place inside of another.
    fileprivate func placed(beneath outer: String) -> HeedError {
        HeedError(
            kind, what, in: place.map { "\(outer), \($0)" } ?? outer, expected: expected, got: got, advice: advice)
    }
}
