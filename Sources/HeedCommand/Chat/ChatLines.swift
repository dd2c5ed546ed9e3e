#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import HeedSupport

/// Reads what the user says, from a terminal or a pipe.
struct ChatLines {
    /// What came.
    enum Entry: Equatable {
        case text(String)
        /// Ctrl-C while nothing was being answered.
        case interrupted
        case end
    }

    private let descriptor: Int32
    private var bytes: [UInt8] = []
    private var isAtEnd = false
    /// The most bytes of one entry.
    private static let longest = 16 << 20

    init(descriptor: Int32 = STDIN_FILENO) { self.descriptor = descriptor }

    /// The next entry: a line, or several where all but the last end with a backslash, or all lines between two that
    /// consist of `"""`.
    ///
    /// - Parameter more: is called before each line after the first, to show that more is expected.
    /// - Throws: `HeedError` where the input cannot be read or is not UTF-8.
    mutating func next(more: () throws -> Void) throws -> Entry {
        guard let first = try line() else { return isAtEnd ? .end : .interrupted }
        if first == "\"\"\"" { return try block(more: more) }
        var text = first
        while text.hasSuffix("\\") {
            text.removeLast()
            try more()
            guard let following = try line() else { return isAtEnd ? .text(text) : .interrupted }
            text += "\n" + following
            try check(text)
        }
        return .text(text)
    }

    private mutating func block(more: () throws -> Void) throws -> Entry {
        var lines: [String] = []
        var size = 0
        while true {
            try more()
            guard let following = try line() else {
                return isAtEnd ? .text(lines.joined(separator: "\n")) : .interrupted
            }
            if following == "\"\"\"" { return .text(lines.joined(separator: "\n")) }
            lines.append(following)
            size += following.utf8.count + 1
            if size > ChatLines.longest { throw tooLong() }
        }
    }

    /// One line without its end; nil at the end of the input, or when Ctrl-C came.
    private mutating func line() throws -> String? {
        var searched = 0
        while true {
            if let end = bytes[searched...].firstIndex(of: 0x0A) {
                var line = Array(bytes[..<end])
                bytes.removeFirst(end + 1)
                if line.last == 0x0D { line.removeLast() }
                return try text(line)
            }
            searched = bytes.count
            if isAtEnd {
                guard !bytes.isEmpty else { return nil }
                defer { bytes = [] }
                return try text(bytes)
            }
            if bytes.count > ChatLines.longest { throw tooLong() }
            if Signals.isStopRequested || ChatInterrupt.isRequested { return drop() }
            // A signal ends the wait, and one that came just before it is seen soon after.
            var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            if poll(&wait, 1, 250) <= 0 { continue }
            var chunk = [UInt8](repeating: 0, count: 1 << 16)
            let got = read(descriptor, &chunk, chunk.count)
            if got < 0 {
                if errno == EINTR { continue }
                throw HeedError(.io, "cannot read: \(String(cString: strerror(errno)))", in: "standard input")
            }
            if got == 0 { isAtEnd = true } else { bytes += chunk[..<got] }
        }
    }

    private mutating func drop() -> String? {
        bytes = []
        return nil
    }

    private func text(_ bytes: [UInt8]) throws -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw HeedError(.badInput, "the line is not UTF-8", in: "standard input")
        }
        return text
    }

    private func check(_ text: String) throws { if text.utf8.count > ChatLines.longest { throw tooLong() } }

    private func tooLong() -> HeedError {
        HeedError(
            .badInput, "the message is too long", in: "standard input",
            expected: "at most \(grouped(ChatLines.longest)) bytes")
    }
}
