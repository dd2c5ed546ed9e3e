/// A part of a template's text.
struct Token {
    enum Kind: Equatable {
        case data([UInt8])
        case variableBegin, variableEnd, blockBegin, blockEnd
        case name(String)
        case string([UInt8])
        case integer(Int128)
        case float(Double)
        case sign(String)
        case end
    }
    let kind: Kind
    let line: Int

    /// The word of a name, or nil.
    var name: String? { if case .name(let name) = kind { name } else { nil } }

    func isSign(_ sign: String) -> Bool { kind == .sign(sign) }

    /// What a message calls the token.
    var description: String {
        switch kind {
        case .data: "text"
        case .variableBegin: "{{"
        case .variableEnd: "}}"
        case .blockBegin: "{%"
        case .blockEnd: "%}"
        case .name(let name): name
        case .string: "a string"
        case .integer, .float: "a number"
        case .sign(let sign): sign
        case .end: "the end of the template"
        }
    }
}
