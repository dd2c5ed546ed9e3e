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
            heed convert model merged --adapter adapter

            The output's format follows from its name: a path that ends in .safetensors or .gguf is such a file, any other \
            is a folder, which gets a model.safetensors. The input may also be a PyTorch file or a llama2.c checkpoint; \
            the input's follows from its content. A GGUF file gets the names, keys, tokenizer and chat template that \
            llama.cpp reads. Memory stays small however large the file is.
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

    @Option(
        help: ArgumentHelp(
            "An adapter to add to the weights: a folder in the PEFT layout.", valueName: "folder"))
    var adapter: String?

    @Flag(help: "Write over an output that is there already.")
    var overwrite = false

    func validate() throws {
        guard adapter == nil || !tensorsOnly else {
            throw ValidationError("--adapter: tensors of any file are copied as they are under --tensors-only.")
        }
    }

    func run() throws {
        let input = try locateModel(self.input)
        let source = try openTensors(path: input)
        let toGGUF = output.hasSuffix(".gguf")
        let path = try outputPath(toGGUF)
        if !tensorsOnly, toGGUF, !(source is GGUFFile) { return try export(input, to: path) }
        if toGGUF, adapter != nil {
            throw HeedError(
                .unsupported, "an adapter cannot be added to a GGUF file that stays one", in: input,
                advice: "Convert it to a folder with --adapter, and the folder to GGUF")
        }
        // Published names stand in files of every other form.
        let published: any TensorSource =
            if let adapter {
                try MergedTensors(folder: input, adapter: adapter)
            } else if !tensorsOnly, !toGGUF, let file = source as? GGUFFile {
                try GGUFModel(file)
            } else {
                source
            }
        let copy = try TensorCopy(published, to: toGGUF ? .gguf : .safetensors, type: dtype?.elementType)
        report(source, copy)
        // The weights come last, so that a folder that has them is whole.
        if !tensorsOnly, path != output { try writeFolder(from: input) }
        try write(copy.elementCount) { done in
            if toGGUF {
                try writeGGUF(path: path, metadata: metadata(of: source, copy), copy.tensors(elementsDone: done))
            } else {
                try writeSafetensors(path: path, copy.tensors(elementsDone: done))
            }
        }
        StandardError.writeLine("Wrote \(path): \(copy.items.count) tensors, \(byteText(fileSize(path) ?? 0)).")
    }

    /// Runs long writing under a progress bar, and ends it where a signal asks for that.
    private func write(_ count: Int, _ body: (@escaping (Int) throws -> Void) throws -> Void) throws {
        let progress = Progress("Converting", total: count)
        try body { done in
            try Signals.check(saved: "Nothing was written.")
            progress.update(done: done)
        }
        progress.finish()
    }

    /// Writes a published model as llama.cpp has it, with its tokenizer and chat template.
    private func export(_ folder: String, to path: String) throws {
        let model = try StoredModel(path: folder)
        let name = lastPathComponent(folder)
        let weights: any TensorSource =
            if let adapter { try MergedTensors(folder: folder, adapter: adapter) } else { model.weights }
        var export = try GGUFExport(
            weights, configuration: try model.wholeDocument(), in: model.file, name: name, type: dtype?.elementType)
        if let dtype { export.metadata["general.file_type"] = .uint32(dtype.fileType) }
        try addTokenizer(folder, model, &export)
        if isDirectory(folder), fileExists(joinPath(folder, "modules.json")) {
            let architecture = try export.metadata.string("general.architecture") ?? ""
            let pooling = try SentencePooling(folder: folder)
            if !pooling.write(to: &export.metadata, architecture: architecture) {
                StandardError.writeLine("llama.cpp has no number for this way of pooling; it was left out.")
            }
        }
        func list(_ names: [String]) -> String {
            names.prefix(4).joined(separator: ", ") + (names.count > 4 ? " and \(names.count - 4) more" : "")
        }
        if !export.dropped.isEmpty {
            StandardError.writeLine("GGUF files have no place for \(list(export.dropped)).")
        }
        if !export.added.isEmpty {
            StandardError.writeLine(
                "llama.cpp has no words for \(list(export.added)) of config.json; Heed reads them back.")
        }
        if !export.fallbacks.isEmpty, let dtype {
            StandardError.writeLine(
                "Rows of \(list(export.fallbacks)) are no whole blocks of \(dtype.rawValue) and became another type.")
        }
        let written = export
        try write(written.elementCount) { done in
            try writeGGUF(path: path, metadata: written.metadata, written.tensors(elementsDone: done))
        }
        StandardError.writeLine("Wrote \(path): \(written.tensorCount) tensors, \(byteText(fileSize(path) ?? 0)).")
    }

    /// Adds tokenizer and chat template, or says why not.
    private func addTokenizer(_ folder: String, _ model: StoredModel, _ export: inout GGUFExport) throws {
        if isDirectory(folder) {
            do {
                let tokenizer = try GGUFTokenizerWriter(folder: folder)
                try tokenizer.write(
                    to: &export.metadata, count: export.vocabulary, configuration: model.document,
                    template: try GGUFTokenizerWriter.chatTemplate(folder: folder))
                for remark in tokenizer.remarks { StandardError.writeLine(remark + ".") }
            } catch let error as HeedError where error.kind == .unsupported {
                StandardError.writeLine("The tokenizer was left out. " + error.description)
            }
        }
        guard try export.metadata.string("tokenizer.ggml.model") ?? "none" == "none" else { return }
        // Without tokens the file says how many there are.
        let architecture = try export.metadata.string("general.architecture") ?? ""
        export.metadata["tokenizer.ggml.model"] = .string("none")
        export.metadata[architecture + ".vocab_size"] = .uint32(UInt32(clamping: export.vocabulary))
    }

    /// Writes what a folder has beside its weights: copied from a folder, or what a file of one model says.
    private func writeFolder(from input: String) throws {
        if isDirectory(input) { return try copyOtherFiles(from: input, to: output) }
        guard let model = try? StoredModel(path: input) else { return }
        var document = model.document
        document["dtype"] = .string(dtype == .f16 ? "float16" : dtype == .bf16 ? "bfloat16" : "float32")
        try writeAtomically(
            path: joinPath(output, "config.json"), text: JSON.object(document).serialised(pretty: true) + "\n")
        guard let metadata = (model.weights as? GGUFModel)?.file.metadata else { return }
        if let template = try metadata.string("tokenizer.chat_template") {
            try writeAtomically(path: joinPath(output, "chat_template.jinja"), text: template)
        }
        guard try metadata.string("tokenizer.ggml.model") ?? "none" != "none" else { return }
        do {
            try Tokenizer.copy(from: input, to: output)
        } catch let error as HeedError where error.kind == .unsupported {
            StandardError.writeLine("The tokenizer was not written. " + error.description)
        }
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
        for name in try listDirectory(folder)
        where !name.hasPrefix(".") && name != ModelFolderFiles.verification {
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
