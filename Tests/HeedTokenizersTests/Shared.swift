import HeedSupport
import HeedTokenizers
import TestFixtures
import Testing

/// The folder of reference data that lies beside the repository, where there is one.
enum Shared {
    static let folder: String? = TestFixtures.Shared.folder

    static var isThere: Bool { folder != nil }

    static func path(_ name: String) throws -> String { joinPath(try #require(folder), name) }

    static func has(_ name: String) -> Bool { folder.map { fileExists(joinPath($0, name)) } ?? false }

    /// A golden file of the tokenizers.
    static func golden(_ name: String) throws -> JSON {
        try JSON.load(path: path("fixtures/given/tokenizers/\(name).json"))
    }

    /// The thousand test strings.
    static func strings() throws -> [String] {
        try #require(golden("strings")["strings"]?.arrayValue).map { $0.stringValue ?? "" }
    }
}

extension JSON {
    /// An array of ids.
    var ids: [TokenID] { (arrayValue ?? []).map { TokenID($0.intValue ?? -1) } }
}

/// Bytes from hexadecimal digits.
func bytes(hex: String) -> [UInt8] {
    let digits = Array(hex.utf8)
    return stride(from: 0, to: digits.count, by: 2).map {
        UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16) ?? 0
    }
}
