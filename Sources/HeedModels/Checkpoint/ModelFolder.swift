import HeedSupport
import HeedWeights

/// Opens `config.json` of a model folder.
///
/// - Throws: `HeedError` naming what is not there, or is no folder.
func openConfiguration(folder: String) throws -> ConfigurationReader {
    guard isDirectory(folder) else {
        let expected = "a folder with config.json and model.safetensors"
        if fileExists(folder) {
            throw HeedError(
                .unsupported, "is a file, and only model folders can be read", in: folder, expected: expected)
        }
        let near = (try? listDirectory(parentPath(folder))).flatMap { nearest(lastPathComponent(folder), among: $0) }
        throw HeedError(
            .missing, "there is no such model folder", in: folder, expected: expected,
            advice: near.map { "Did you mean \(joinPath(parentPath(folder), $0))?" })
    }
    return try ConfigurationReader(path: joinPath(folder, "config.json"))
}
