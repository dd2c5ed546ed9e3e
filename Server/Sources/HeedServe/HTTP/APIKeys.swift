import Foundation
import Heed

/// The keys that clients may have: their SHA-256 hashes, which are all that is kept of them.
public struct APIKeys: Sendable {
    private let hashes: [[UInt8]]

    /// Keys from lines, each a key or `sha256:` and 64 hexadecimal digits; lines that are empty or begin with `#` are
    /// none.
    ///
    /// - Throws: `HeedError` naming the line that is malformed; its content is not told.
    public init(lines: String, in place: String) throws {
        var hashes: [[UInt8]] = []
        for (number, line) in lines.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            var line = line
            while line.last?.isWhitespace == true { line.removeLast() }
            while line.first?.isWhitespace == true { line.removeFirst() }
            if line.isEmpty || line.hasPrefix("#") { continue }
            if line.hasPrefix("sha256:") {
                guard let hash = APIKeys.bytes(line.dropFirst(7).utf8), hash.count == 32 else {
                    throw HeedError(
                        .badInput, "the hash of a key is malformed", in: "\(place), line \(number + 1)",
                        expected: "sha256: and 64 hexadecimal digits")
                }
                hashes.append(hash)
            } else {
                hashes.append(APIKeys.hash(line.utf8))
            }
        }
        self.hashes = hashes
    }

    /// The keys of a file and of the environment variable `HEED_API_KEYS`, where there are any; none lets everybody in.
    ///
    /// - Throws: `HeedError` where the file is missing, or has no key.
    public static func load(file: String?) throws -> APIKeys {
        var lines = ""
        if let file {
            guard let bytes = FileManager.default.contents(atPath: file) else {
                throw HeedError(.missing, "the file of keys cannot be read", in: file)
            }
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw HeedError(.badInput, "the keys are not UTF-8", in: file)
            }
            if try APIKeys(lines: text, in: file).isEmpty {
                throw HeedError(
                    .badInput, "the file holds no key", in: file, expected: "a key, or sha256:HEX, on every line")
            }
            lines = text + "\n"
        }
        if let given = ProcessInfo.processInfo.environment["HEED_API_KEYS"] {
            lines += given
            if file == nil, !given.isEmpty, try APIKeys(lines: lines, in: "HEED_API_KEYS").isEmpty {
                throw HeedError(.badInput, "the variable holds no key", in: "HEED_API_KEYS")
            }
        }
        return try APIKeys(lines: lines, in: file ?? "HEED_API_KEYS")
    }

    /// Whether there are none.
    public var isEmpty: Bool { hashes.isEmpty }

    /// The number of the key in a header `Bearer KEY`, or nil. The time that it takes does not depend on how much of a
    /// key is right.
    func owner(ofAuthorization header: String?) -> Int? {
        guard let header, header.utf8.count <= 4096 else { return nil }
        let parts = header.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        let given = APIKeys.hash(parts[1].utf8)
        var owner: Int?
        for (number, hash) in hashes.enumerated() {
            var difference: UInt8 = 0
            for (left, right) in zip(hash, given) { difference |= left ^ right }
            if difference == 0, owner == nil { owner = number + 1 }
        }
        return owner
    }

    private static func hash(_ key: some Sequence<UInt8>) -> [UInt8] {
        var hash = SHA256()
        hash.update(Array(key))
        return hash.finish()
    }

    private static func bytes(_ digits: Substring.UTF8View) -> [UInt8]? {
        guard digits.count % 2 == 0 else { return nil }
        var bytes: [UInt8] = []
        var rest = digits[...]
        while let high = rest.popFirst(), let low = rest.popFirst() {
            guard let byte = UInt8(String(decoding: [high, low], as: UTF8.self), radix: 16), high != UInt8(ascii: "+"),
                high != UInt8(ascii: "-")
            else { return nil }
            bytes.append(byte)
        }
        return bytes
    }
}
