import HeedSupport

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// What to type to run this program again from here.
enum ProgramName {
    /// `heed` where it was found by name; else the shortest path from the current folder.
    static var typed: String { name(started: CommandLine.arguments.first ?? "heed", in: currentFolder()) }

    /// `started` is the first argument of the process; `swift run` starts the file below `.build/<triple>/release`, to
    /// which `.build/release` is a shorter way.
    static func name(started: String, in folder: String?) -> String {
        guard started.contains("/") else { return started.isEmpty ? "heed" : started }
        guard let folder, started.hasPrefix(folder + "/") else { return started }
        let relative = started.dropFirst(folder.count + 1)
        let parts = relative.split(separator: "/")
        if parts.count == 4, parts[0] == ".build" {
            let short = ".build/\(parts[2])/\(parts[3])"
            if fileExists(joinPath(folder, short)) { return short }
        }
        return parts.count == 1 ? "./" + relative : String(relative)
    }

    private static func currentFolder() -> String? {
        guard let path = getcwd(nil, 0) else { return nil }
        defer { free(path) }
        return String(cString: path)
    }
}
