import ArgumentParser
import Heed
import HeedSupport

/// `heed convert`: weights from one format into another.
struct Convert: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Convert weights between folders, safetensors and GGUF.",
        discussion: """
            heed convert model model.gguf
            heed convert weights.gguf weights.safetensors --tensors-only

            The output's format is told by its name: a path that ends in .safetensors or .gguf is such a file, any other \
            is a folder, which gets a model.safetensors. The input may also be a PyTorch file or a llama2.c checkpoint; \
            what it is is told by its content. Memory stays small however large the file is.
            """)

    @Argument(help: ArgumentHelp("A model folder or a file of weights.", valueName: "in"))
    var input: String

    @Argument(help: ArgumentHelp("The folder, .safetensors or .gguf file to write.", valueName: "out"))
    var output: String

    @Option(
        help: ArgumentHelp(
            "The type that weights are rounded to; where not given they keep theirs.",
            valueName: "type"))
    var dtype: StoredType?

    @Flag(help: "Copy tensors under their names, of any architecture, and nothing else.")
    var tensorsOnly = false

    @Flag(help: "Write over an output that is there already.")
    var overwrite = false

    func run() throws {
        let source = try openTensors(path: input)
        let toGGUF = output.hasSuffix(".gguf")
        guard tensorsOnly || !(toGGUF || source is GGUFFile) else {
            throw HeedError(
                .unsupported, "the names of a model's tensors in GGUF files are not known yet", in: input,
                advice: "Use --tensors-only to copy the tensors under the names that they have")
        }
        let path = try outputPath(toGGUF)
        let copy = try TensorCopy(source, to: toGGUF ? .gguf : .safetensors, type: dtype?.elementType)
        report(source, copy)
        // The weights come last, so that a folder that has them is whole.
        if !tensorsOnly, path != output, isDirectory(input) { try copyOtherFiles(from: input, to: output) }
        let progress = Progress("Converting", total: copy.elementCount)
        let tensors = copy.tensors { done in
            try Signals.check(saved: "Nothing was written.")
            progress.update(done: done)
        }
        if toGGUF {
            try writeGGUF(path: path, metadata: metadata(of: source, copy), tensors)
        } else {
            try writeSafetensors(path: path, tensors)
        }
        progress.finish()
        StandardError.writeLine("Wrote \(path): \(copy.items.count) tensors, \(byteText(fileSize(path) ?? 0)).")
    }

    /// The file to write: `output`, or `model.safetensors` in it.
    private func outputPath(_ toGGUF: Bool) throws -> String {
        let isFile = toGGUF || output.hasSuffix(".safetensors")
        let path = isFile ? output : joinPath(output, "model.safetensors")
        guard overwrite || !fileExists(path) else {
            throw HeedError(
                .usage, "is there already", in: path, advice: "Choose another output, or add --overwrite")
        }
        if !isFile { try createDirectory(output) }
        return path
    }

    /// The metadata of a GGUF file stay with its tensors; others have none that a GGUF file has words for.
    private func metadata(of source: any TensorSource, _ copy: TensorCopy) -> GGUFMetadata {
        var metadata = GGUFMetadata(place: output)
        if let file = source as? GGUFFile {
            for key in file.metadata.keys where !key.hasPrefix("split.") { metadata[key] = file.metadata[key] }
        }
        if let dtype { metadata["general.file_type"] = .uint32(dtype.fileType) }
        if copy.items.contains(where: \.type.isBlock) { metadata["general.quantization_version"] = .uint32(2) }
        return metadata
    }

    /// Says what is not carried over as it was.
    private func report(_ source: any TensorSource, _ copy: TensorCopy) {
        let fallbacks = copy.items.filter(\.isFallback)
        if let first = fallbacks.first, let dtype {
            StandardError.writeLine(
                "\(fallbacks.count) tensors have rows that are no whole blocks of \(dtype.rawValue) and become "
                    + "\(first.type.rawValue) or another: \(first.tensor.name) \(first.tensor.shape), for one.")
        }
        if let file = source as? PyTorchFile, !file.passedOver.isEmpty {
            StandardError.writeLine(
                "\(file.passedOver.count) entries of \(input) are no weights and are left out: "
                    + file.passedOver.prefix(4).joined(separator: ", ")
                    + (file.passedOver.count > 4 ? ", …" : ""))
        }
        if copy.format == .safetensors, let file = source as? GGUFFile {
            StandardError.writeLine("The \(file.metadata.count) values of the GGUF file's metadata are left out.")
        }
    }

    /// Copies what else is in a model folder: configuration, tokenizer, and the folders of sentence-transformers.
    private func copyOtherFiles(from folder: String, to target: String) throws {
        let weights = [".safetensors", ".bin", ".pt", ".pth", ".gguf", ".h5", ".msgpack", ".onnx", ".index.json"]
        for name in try listDirectory(folder) where !name.hasPrefix(".") {
            let (from, to) = (joinPath(folder, name), joinPath(target, name))
            if isDirectory(from) {
                let parts = try listDirectory(from)
                guard parts.contains("config.json") else { continue }
                try createDirectory(to)
                for part in parts where !isDirectory(joinPath(from, part)) {
                    try writeAtomically(path: joinPath(to, part), bytes: try readFile(joinPath(from, part)))
                }
            } else if !weights.contains(where: { name.hasSuffix($0) }), overwrite || !fileExists(to) {
                try writeAtomically(path: to, bytes: try readFile(from))
            }
        }
    }
}

/// The types that weights can be rounded to, as people write them.
enum StoredType: String, ExpressibleByArgument, CaseIterable {
    case f32, f16, bf16
    case q8_0
    case q4_0
    case q4_k
    case q6_k

    /// The type as the library names it.
    var elementType: ElementType {
        switch self {
        case .f32: .f32
        case .f16: .f16
        case .bf16: .bf16
        case .q8_0: .q8_0
        case .q4_0: .q4_0
        case .q4_k: .q4K
        case .q6_k: .q6K
        }
    }

    /// llama.cpp's number for a file that is mostly of this type (`llama_ftype`).
    var fileType: UInt32 {
        switch self {
        case .f32: 0
        case .f16: 1
        case .q4_0: 2
        case .q8_0: 7
        case .q4_k: 14
        case .q6_k: 18
        case .bf16: 32
        }
    }

    init?(argument: String) { self.init(rawValue: argument.lowercased()) }
}
