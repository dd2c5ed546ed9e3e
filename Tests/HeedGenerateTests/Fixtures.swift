#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import HeedSupport

/// The folder of shared fixtures: `HEED_SHARED`, or `shared` beside the repository or a folder above it.
enum Fixtures {
    static let folder: String? = {
        if let path = getenv("HEED_SHARED") { return String(cString: path) }
        var here = parentPath(#filePath)
        while here != "/", here != "." {
            here = parentPath(here)
            let candidate = joinPath(here, "shared/fixtures")
            if isDirectory(candidate) { return joinPath(here, "shared") }
        }
        return nil
    }()

    static var areThere: Bool { folder != nil }

    static func path(_ name: String) throws -> String {
        guard let folder else { throw HeedError(.missing, "no shared folder", in: name) }
        return joinPath(folder, "fixtures/given/" + name)
    }
}
