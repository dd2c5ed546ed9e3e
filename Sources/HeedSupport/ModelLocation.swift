#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Where a model is: what a person typed, turned into the path of a folder or file.
///
/// A path that is there is meant itself. Else a name such as `gpt2`, `ORGANISATION/NAME` or `ORGANISATION/NAME@REVISION`
/// is looked for in the local cache of Hugging Face's tools; nothing is fetched. The revision is a branch, a tag or (the
/// start of) a commit, `main` where none is given. A folder without `config.json` that holds one GGUF model is that.
/// - Throws: `HeedError` saying what was looked for and where, with the nearest name there is.
package func locateModel(_ name: String) throws -> String {
    if fileExists(name) { return containedModel(name) }
    let cache = ModelCache(folder: ModelCache.standardFolder)
    return containedModel(try cache.snapshot(of: name))
}

/// The one GGUF model of a folder that is no model folder itself, or the path as it is.
private func containedModel(_ path: String) -> String {
    guard isDirectory(path), !fileExists(joinPath(path, "config.json")), let names = try? listDirectory(path) else {
        return path
    }
    // Of a model in parts the first stands for all.
    let models = names.filter { name in
        guard name.hasSuffix(".gguf") else { return false }
        return !name.contains("-of-") || name.contains("-00001-of-")
    }
    return models.count == 1 ? joinPath(path, models[0]) : path
}

/// The cache that `huggingface_hub` keeps: `models--ORGANISATION--NAME` with `refs/REVISION` and `snapshots/COMMIT`.
///
/// Source: the documentation of huggingface_hub, "Understand caching".
public struct ModelCache: Sendable {
    /// The folder of the cache.
    public let folder: String

    /// Where a model is that somebody named: the path of a folder or file, or of what this machine's cache has under a name
    /// such as `gpt2`, `ORGANISATION/NAME` or `ORGANISATION/NAME@REVISION`. A folder without `config.json` that holds one
    /// GGUF model is that.
    ///
    /// - Throws: `HeedError` saying what was looked for and where, with the nearest name there is.
    public static func path(of name: String) throws -> String { try locateModel(name) }

    /// The cache in a folder, which need not be there.
    public init(folder: String) { self.folder = folder }

    /// The folder that the environment names: `HF_HUB_CACHE`, or `hub` in `HF_HOME`, or in `huggingface` of
    /// `XDG_CACHE_HOME` or `~/.cache`.
    public static var standardFolder: String {
        func variable(_ name: String) -> String? {
            getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
        }
        if let folder = variable("HF_HUB_CACHE") ?? variable("HUGGINGFACE_HUB_CACHE") { return folder }
        if let home = variable("HF_HOME") { return joinPath(home, "hub") }
        let cache = variable("XDG_CACHE_HOME") ?? joinPath(variable("HOME") ?? ".", ".cache")
        return joinPath(cache, "huggingface/hub")
    }

    /// The folder of a model's files at a revision.
    ///
    /// - Throws: `HeedError` where the name is none of a model, or the cache has no such model or revision.
    public func snapshot(of name: String) throws -> String {
        let parts = name.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let model = parts[0].split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let revision = parts.count > 1 ? parts[1] : nil
        guard model.count <= 2, model.allSatisfy(ModelCache.isName),
            revision.map({ $0.split(separator: "/", omittingEmptySubsequences: false).map(String.init) })?
                .allSatisfy(ModelCache.isName) ?? true
        else { throw missing(name, isName: false) }
        let home = joinPath(folder, (["models"] + model).joined(separator: "--"))
        guard isDirectory(home) else { throw missing(name, isName: true) }
        let snapshots = joinPath(home, "snapshots")
        let commit = (try? commit(revision ?? "main", home)) ?? revision
        if let commit, isDirectory(joinPath(snapshots, commit)) { return joinPath(snapshots, commit) }
        let known = (try? listDirectory(snapshots)) ?? []
        // A commit may be shortened; without a revision the only one that is there is meant.
        let fitting = known.filter {
            revision == nil || (revision?.utf8.count ?? 0) >= 4 && $0.hasPrefix(revision ?? "")
        }
        if fitting.count == 1 { return joinPath(snapshots, fitting[0]) }
        let branches = (try? listDirectory(joinPath(home, "refs"))) ?? []
        throw HeedError(
            .missing, "the cache has the model \(quoted(parts[0])) but not its revision \(quoted(revision ?? "main"))",
            in: home,
            expected: (branches + known).isEmpty ? nil : "one of \((branches + known).joined(separator: ", "))")
    }

    /// The commit that a branch or tag stands for.
    private func commit(_ revision: String, _ home: String) throws -> String? {
        let bytes = try readFile(joinPath(home, "refs/" + revision)).prefix(200)
        let text = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace).first.map(String.init)
        return text.flatMap { ModelCache.isName($0) ? $0 : nil }
    }

    /// Whether a part of a name can stand in a path without leading elsewhere.
    private static func isName(_ part: String) -> Bool {
        !part.isEmpty && part != "." && part != ".." && !part.contains("--")
            && part.utf8.allSatisfy { byte in
                let letter = byte | 0x20
                return letter >= 0x61 && letter <= 0x7A || byte >= 0x30 && byte <= 0x39 || byte == 0x2D || byte == 0x2E
                    || byte == 0x5F
            }
    }

    private func missing(_ name: String, isName: Bool) -> HeedError {
        let beside = (try? listDirectory(parentPath(name))) ?? []
        var candidates = beside.map { parentPath(name) == "." ? $0 : joinPath(parentPath(name), $0) }
        if isName {
            candidates += ((try? listDirectory(folder)) ?? []).filter { $0.hasPrefix("models--") }.map { entry in
                entry.dropFirst("models--".count).split(separator: "--").joined(separator: "/")
            }
        }
        let plain = String(name.prefix { $0 != "@" })
        let near = nearest(plain, among: candidates)
        return HeedError(
            .missing,
            isName
                ? "there is no such folder or file, and no such model in the cache \(folder)"
                : "there is no such model folder or file",
            in: name, expected: "a folder with config.json and weights, or a .gguf file",
            advice: near.map { "Did you mean \($0)?" } ?? "Check the path; models are not downloaded")
    }
}
