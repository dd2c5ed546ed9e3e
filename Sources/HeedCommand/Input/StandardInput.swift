#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import HeedSupport

/// Standard input as a file that can be named `-`.
enum StandardInput {
    /// Reads standard input to its end where one of the paths is `-`, so that it is there for all who open it later.
    ///
    /// While it waits, a signal ends the process at once: nothing has been done yet. What cannot be read is told by
    /// those who open it.
    static func prepare(_ paths: String...) { prepare(paths) }

    /// The same for a list.
    static func prepare(_ paths: [String]) {
        guard paths.contains("-") else { return }
        if isatty(STDIN_FILENO) == 1 {
            StandardError.writeNote("Reading from the terminal; end with Ctrl-D on a line of its own.")
        }
        Signals.endAtOnce { _ = try? InputFile.open("-") }
    }
}
