#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import HeedSupport

/// Files that are shared between checkouts: in `HEED_SHARED`, or in `shared` beside the repository or above it.
enum Fixtures {
    /// The folder, or nil where there is none.
    static let folder: String? = {
        if let path = getenv("HEED_SHARED") { return String(cString: path) }
        var place = parentPath(#filePath)
        while place != "/", place != "." {
            let candidate = joinPath(place, "shared")
            if isDirectory(joinPath(candidate, "fixtures")) { return candidate }
            place = parentPath(place)
        }
        return nil
    }()

    /// The path of a golden file, or nil where it is not there.
    static func given(_ name: String) -> String? {
        guard let folder else { return nil }
        let path = joinPath(folder, "fixtures/given/" + name)
        return fileExists(path) ? path : nil
    }
}
