import HeedSupport
import HeedTokenizers
import Testing

/// Texts that trainers are held to, and folders of a test's own.
enum TrainingFixtures {
    static var available: Bool { Shared.isThere }

    static func path(_ relative: String) throws -> String { try Shared.path(relative) }

    /// The text the training goldens were made from: botchan.txt without its mark and with plain line ends.
    static func botchan() throws -> [UInt8] {
        try readFile(path("data/text/botchan.txt")).dropFirst(3).filter { $0 != 13 }
    }

    /// Calls `body` with a new folder that is removed afterwards.
    static func withFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
        let folder = temporaryPath("training")
        try createDirectory(folder)
        defer { try? removeTree(folder) }
        return try body(folder)
    }
}
