import HeedSupport

extension Methods {
    /// Methods that fill a text up to a width.
    static let stringFill: [String: Method] = [
        "ljust": { try filled("ljust", $0, $1, $2) { _ in 0 } },
        "rjust": { try filled("rjust", $0, $1, $2) { $0.missing } },
        "center": { try filled("center", $0, $1, $2) { $0.missing / 2 + ($0.missing & $0.width & 1) } },
        "zfill": { renderer, owner, arguments in
            let given = try arguments.bind("zfill", ["width"], required: 1, positionalOnly: 1)
            let text = try renderer.text(owner, "the text")
            let width = try renderer.index(given[0].or(.none), "the width of zfill()")
            guard width > text.count else { return owner }
            try renderer.meter.copy(width)
            let hasSign = text.bytes.first == UInt8(ascii: "+") || text.bytes.first == UInt8(ascii: "-")
            let zeros = [UInt8](repeating: 0x30, count: width - text.count)
            let bytes = text.bytes.prefix(hasSign ? 1 : 0) + zeros + text.bytes.dropFirst(hasSign ? 1 : 0)
            return try renderer.string(Array(bytes), like: text)
        },
        "expandtabs": { renderer, owner, arguments in
            let given = try arguments.bind("expandtabs", ["tabsize"])
            let size = try given[0].map { try renderer.index($0, "the size of tabs") } ?? 8
            let text = try renderer.text(owner, "the text")
            var result: [UInt8] = []
            var column = 0
            for byte in text.bytes {
                switch byte {
                case 0x09:
                    let spaces = size > 0 ? size - column % size : 0
                    try renderer.meter.copy(spaces)
                    try renderer.meter.allow(result.count + spaces)
                    result += [UInt8](repeating: 0x20, count: spaces)
                    column += spaces
                case 0x0A, 0x0D:
                    result.append(byte)
                    column = 0
                default:
                    result.append(byte)
                    if byte & 0xC0 != 0x80 { column += 1 }
                }
            }
            return try renderer.string(result, like: text)
        },
    ]

    private static func filled(
        _ name: String, _ renderer: Renderer, _ owner: Value, _ arguments: Arguments,
        left: ((missing: Int, width: Int)) -> Int
    ) throws -> Value {
        let given = try arguments.bind(name, ["width", "fillchar"], required: 1, positionalOnly: 2)
        let text = try renderer.text(owner, "the text")
        let width = try renderer.index(given[0].or(.none), "the width of \(name)()")
        let fill = try given[1].map { try renderer.text($0, "the fill of \(name)()") } ?? Text(" ")
        guard fill.count == 1 else { throw HeedError(.badInput, "the fill of \(name)() must be one character") }
        guard width > text.count else { return owner }
        try renderer.meter.copy(width)
        let missing = width - text.count
        let before = left((missing, width))
        var bytes: [UInt8] = []
        for _ in 0..<before { bytes += fill.bytes }
        bytes += text.bytes
        for _ in 0..<missing - before { bytes += fill.bytes }
        return try renderer.string(bytes, like: text)
    }
}
