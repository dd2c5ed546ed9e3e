#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The files that `paths` name, those of a pattern with `*`, `?` or `[…]` in the order of their names.
///
/// Shells do the same where a pattern stands without quotes; files of configuration and very many files want it here. A
/// path that exists is taken as it is.
///
/// - Throws: `HeedError` (`missing`) naming a pattern that no file matches.
package func expandPatterns(_ paths: [String]) throws -> [String] {
    try paths.flatMap { path -> [String] in
        guard path.contains(where: { "*?[".contains($0) }), !fileExists(path) else { return [path] }
        var found = glob_t()
        defer { globfree(&found) }
        guard glob(path, GLOB_NOSORT, nil, &found) == 0, let names = found.gl_pathv else {
            throw HeedError(.missing, "no file matches the pattern", in: path)
        }
        return (0..<Int(found.gl_pathc)).compactMap { names[$0].map { String(cString: $0) } }.sorted()
    }
}
