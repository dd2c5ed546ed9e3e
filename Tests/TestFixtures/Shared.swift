import HeedSupport

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Golden numbers, texts and models that checkouts share: in `HEED_SHARED`, or in a folder `shared` beside the
/// repository or above it. Tests that need it are shown as skipped without it.
public enum Shared {
    /// The folder, or nil where there is none.
    public static let folder: String? = {
        if let named = getenv("HEED_SHARED") { return String(cString: named) }
        var place = parentPath(#filePath)
        while place != "/", place != "." {
            let candidate = joinPath(place, "shared")
            if isDirectory(joinPath(candidate, "fixtures")) { return candidate }
            place = parentPath(place)
        }
        return nil
    }()

    /// The path of a golden file, or nil where it is not there.
    public static func given(_ name: String) -> String? {
        guard let folder else { return nil }
        let file = joinPath(folder, "fixtures/given/" + name)
        return fileExists(file) ? file : nil
    }

    public static var isThere: Bool { folder != nil }

    /// A path below the folder.
    public static func path(_ parts: String...) -> String { parts.reduce(folder ?? "", joinPath) }

    /// A path below the golden files.
    public static func fixture(_ parts: String...) -> String {
        parts.reduce(joinPath(folder ?? "", "fixtures/given"), joinPath)
    }

    /// Whether tests of several minutes are wanted: `HEED_LONG_TESTS` is set.
    public static var wantsLongTests: Bool { getenv("HEED_LONG_TESTS") != nil }
}
