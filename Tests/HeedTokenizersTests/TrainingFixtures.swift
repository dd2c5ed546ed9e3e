import HeedSupport
import Testing

import HeedTokenizers

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Files that lie beside the repository, and folders of a test's own.
enum TrainingFixtures {
    /// The folder `shared`, where it is there.
    static let shared: String? = {
        if let named = getenv("HEED_SHARED") { return String(cString: named) }
        var folder = #filePath
        while let slash = folder.lastIndex(of: "/"), slash > folder.startIndex {
            folder = String(folder[..<slash])
            if isDirectory(folder + "/shared/fixtures") { return folder + "/shared" }
        }
        return nil
    }()

    static var available: Bool { shared != nil }

    static func path(_ relative: String) throws -> String { try #require(shared) + "/" + relative }

    /// The text the training goldens were made from: botchan.txt without its mark and with plain line ends.
    static func botchan() throws -> [UInt8] {
        try readFile(path("data/text/botchan.txt")).dropFirst(3).filter { $0 != 13 }
    }

    /// Calls `body` with a new folder that is removed afterwards.
    static func withFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
        var name = Array("/tmp/heed-training-XXXXXX".utf8CString)
        let made: String? = name.withUnsafeMutableBufferPointer { buffer in
            guard let start = buffer.baseAddress, let named = mkdtemp(start) else { return nil }
            return String(cString: named)
        }
        let folder = try #require(made)
        defer {
            for file in (try? listDirectory(folder)) ?? [] { try? removeFile(folder + "/" + file) }
            rmdir(folder)
        }
        return try body(folder)
    }
}
