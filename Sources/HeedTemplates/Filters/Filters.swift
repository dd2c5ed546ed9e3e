import HeedSupport

/// What `|` can do with a value.
enum Filters {
    static let all: [String: Method] = [text, sequence, selection, number, markup].reduce(into: [:]) { all, part in
        all.merge(part) { $1 }
    }

    /// Reads a value's attribute at a path of names and numbers with dots between: `"function.name"`.
    struct Path {
        private let parts: [Value]

        init(_ path: Value, _ renderer: Renderer) throws {
            switch path {
            case .none: parts = []
            case .string(let text): parts = try Path.parts(text.bytes, renderer)
            default: parts = [path]
            }
        }

        /// Several paths with commas between.
        static func several(_ paths: Value, _ renderer: Renderer) throws -> [Path] {
            guard case .string(let text) = paths else { return [try Path(paths, renderer)] }
            return try text.bytes.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).map {
                try Path(.string(renderer.make(Array($0))), renderer)
            }
        }

        private static func parts(_ path: [UInt8], _ renderer: Renderer) throws -> [Value] {
            try path.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).map { part in
                if !part.isEmpty, part.allSatisfy({ $0 &- 0x30 < 10 }) {
                    guard let place = Int128(String(decoding: part, as: UTF8.self)) else {
                        throw HeedError(.badInput, "a number of an attribute is too large")
                    }
                    return .integer(place)
                }
                return .string(renderer.make(Array(part)))
            }
        }

        /// The value at the end of the path; `standard` where a step is undefined.
        func value(of item: Value, standard: Value? = nil, _ renderer: Renderer) throws -> Value {
            var item = item
            for part in parts {
                item = try renderer.item(item, part)
                if item.isUndefined, let standard, !standard.isNone { item = standard }
            }
            return item
        }
    }

    /// A string in lower case, for orders without case; other values as they are.
    static func ignoringCase(_ value: Value, _ renderer: Renderer) throws -> Value {
        guard case .string(let text) = value else { return value }
        try renderer.meter.copy(4 * text.bytes.count)
        return try renderer.string(LetterCase.lower(text.scalars), like: text)
    }

    static func isOn(_ value: Value?, _ renderer: Renderer) throws -> Bool {
        try value.map { try renderer.isTrue($0) } ?? false
    }
}
