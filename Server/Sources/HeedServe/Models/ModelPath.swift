import Foundation
import Heed

/// Where a model is that somebody named: a path, or a name in the local cache of Hugging Face's tools. A folder without
/// `config.json` that holds one GGUF model is that.
///
/// - Throws: `HeedError` saying what was looked for and where.
func modelPath(_ name: String) throws -> String {
    let files = FileManager.default
    let path =
        files.fileExists(atPath: name) ? name : try ModelCache(folder: ModelCache.standardFolder).snapshot(of: name)
    guard isFolder(path), !files.fileExists(atPath: path + "/config.json") else { return path }
    // Of a model in parts the first stands for all.
    let models = try files.contentsOfDirectory(atPath: path).filter { file in
        file.hasSuffix(".gguf") && (!file.contains("-of-") || file.contains("-00001-of-"))
    }
    return models.count == 1 ? path + "/" + models[0] : path
}

func isFolder(_ path: String) -> Bool {
    var isDirectory: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && isDirectory.boolValue
}

/// The last part of a path: a folder's or file's name.
func modelName(of path: String) -> String {
    path.split(separator: "/").last.map(String.init) ?? path
}
