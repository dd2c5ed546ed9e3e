/// The files of a model.
public enum ModelFiles {
    /// The hash of a model's files: the same wherever the same model lies, whatever its folder is called.
    ///
    /// SHA-256 over name and hash of every file that Heed reads of a model (configurations, weights, tokenizer), by name; of
    /// a single file over its content; with an adapter, over both hashes. Cost: that of `SHA256`; no memory.
    /// - Throws: `HeedError` naming the file that cannot be read.
    public static func hash(_ path: String, adapter: String? = nil) throws -> String {
        if let adapter {
            var both = SHA256()
            both.update(Array("\(try hash(path)) \(try hash(adapter))".utf8))
            return both.finish().hexadecimal
        }
        func contentHash(_ path: String) throws -> String {
            var hash = SHA256()
            let file = try MappedFile(path: path)
            // Piece by piece, so that the file's pages do not stay.
            for start in stride(from: 0, to: file.count, by: 8 << 20) {
                file.withBytes(start..<min(start + 8 << 20, file.count)) { hash.update($0) }
            }
            return hash.finish().hexadecimal
        }
        guard isDirectory(path) else { return try contentHash(path) }
        let endings = [".json", ".safetensors", ".bin", ".gguf", ".model", ".spm", ".txt", ".jinja", ".tiktoken"]
        var hash = SHA256()
        for name in try listDirectory(path).sorted() where endings.contains(where: { name.hasSuffix($0) }) {
            let file = joinPath(path, name)
            if isDirectory(file) { continue }
            hash.update(Array("\(name) \(try contentHash(file))\n".utf8))
        }
        return hash.finish().hexadecimal
    }
}
