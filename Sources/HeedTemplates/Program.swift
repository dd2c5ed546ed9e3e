import HeedSupport

/// A template that was read: its syntax tree with all names found. It does not change any more.
final class Program: @unchecked Sendable {
    let root: RoutineBody
    let blocks: [String: BlockStatement]

    /// Reads a template's text.
    init(_ source: [UInt8]) throws {
        var lexer = Lexer(source)
        var parser = Parser(try lexer.run())
        let statements = try parser.template()
        let resolver = Resolver()
        for block in parser.blocks { try resolver.register(block) }
        root = RoutineBody(statements)
        try root.resolve(resolver, isTop: true)
        for block in parser.blocks { try block.resolveBody(resolver) }
        blocks = resolver.blocks
    }
}
