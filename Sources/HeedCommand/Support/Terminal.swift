#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import Heed

/// What the terminal can show.
struct Terminal {
    /// Whether text may be coloured.
    let hasColour: Bool
    /// Whether lines may be overwritten.
    let isInteractive: Bool
    /// Characters in a line.
    let width: Int

    /// Standard output as it is.
    static let output = Terminal(descriptor: STDOUT_FILENO)
    /// Standard error as it is.
    static let error = Terminal(descriptor: STDERR_FILENO)

    /// Text styles, by their number in the terminal's escape sequence (ECMA-48, section 8.3.117).
    enum Style: Int {
        case bold = 1
        case dim = 2
        case red = 31
        case green = 32
        case yellow = 33
        case blue = 34
        case cyan = 36
    }

    /// A terminal of known abilities.
    init(hasColour: Bool, isInteractive: Bool, width: Int) {
        self.hasColour = hasColour
        self.isInteractive = isInteractive
        self.width = width
    }

    /// What stands behind a file descriptor. `NO_COLOR` (no-color.org) and `TERM=dumb` are respected.
    init(descriptor: Int32) {
        let isDumb = Terminal.variable("TERM").map { $0 == "dumb" } ?? false
        // Launchers give their processes terminals that nobody sits at: what is written is to be that of one process.
        let isMerged = descriptor == STDOUT_FILENO && MPICommunicator.isOneOfSeveral
        isInteractive = isatty(descriptor) == 1 && !isDumb && !isMerged
        hasColour = isInteractive && (Terminal.variable("NO_COLOR") ?? "").isEmpty
        var size = winsize()
        let known = isInteractive && ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        width = known ? Int(size.ws_col) : 80
    }

    /// The text in a style where colours are shown, else the text.
    func styled(_ text: String, _ styles: Style...) -> String {
        guard hasColour, !styles.isEmpty else { return text }
        let codes = styles.map { String($0.rawValue) }.joined(separator: ";")
        return "\u{1B}[\(codes)m\(text)\u{1B}[0m"
    }

    private static func variable(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }
}
