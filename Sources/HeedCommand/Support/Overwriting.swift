import ArgumentParser
import HeedSupport
import HeedWeights

/// Whether a file that holds something else may be written over.
struct OverwriteOption: ParsableArguments {
    @Flag(help: "Write over a file that this command did not write.")
    var overwrite = false

    /// Refuses to write over a file other than a safetensors file with one of the tensors, unless told to.
    ///
    /// - Throws: `HeedError` naming the file.
    func check(_ path: String, tensors: [String]) throws {
        try requireFreeFile(path, overwrite: overwrite) { path in
            guard let file = try? SafetensorsFile(path: path) else { return false }
            return tensors.contains { file.tensor(named: $0) != nil }
        }
    }

    /// Refuses to write over a file other than a page, unless told to.
    ///
    /// - Throws: `HeedError` naming the file.
    func check(page path: String) throws {
        try requireFreeFile(path, overwrite: overwrite) { path in
            guard let file = try? InputFile.open(path) else { return false }
            return file.bytes.starts(with: Array("<!doctype html>\n<html lang=\"en\">".utf8))
        }
    }

    /// Refuses to write over any file, unless told to.
    ///
    /// - Throws: `HeedError` naming the file.
    func check(_ path: String) throws { try requireFreeFile(path, overwrite: overwrite) }
}
