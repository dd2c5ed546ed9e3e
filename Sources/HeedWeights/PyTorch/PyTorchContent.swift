import HeedSupport

/// The pickle of a file and where its storages lie, whichever form the file has.
struct PyTorchContent {
    /// The machine that read the pickle, with everything that the value refers to.
    let machine: PickleMachine
    /// What was saved.
    let value: PickleValue
    /// The bytes of each storage, by key.
    let storages: [String: Range<Int>]

    /// The first bytes of the old form: a pickle of protocol 2 that holds PyTorch's number of ten bytes.
    static let oldStart: [UInt8] = [
        0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, UInt8(ascii: "."),
    ]

    /// Reads a zip archive: `NAME/data.pkl`, `NAME/data/KEY` and, since PyTorch 2, `NAME/byteorder`.
    init(archive bytes: UnsafeRawBufferPointer, file: String) throws {
        let archive = try ZipArchive(bytes, file: file)
        let pickles = archive.entries.keys.filter { name in
            name.hasSuffix("/data.pkl") && name.utf8.count { $0 == UInt8(ascii: "/") } == 1
        }
        guard pickles.count == 1, let pickle = pickles.first, let range = archive.entries[pickle] else {
            throw HeedError(
                .badInput, "is a zip archive, but none that torch.save wrote", in: file,
                expected: "one entry NAME/data.pkl", got: "\(pickles.count) of them")
        }
        let folder = pickle.dropLast("data.pkl".count)
        if let order = archive.entries[folder + "byteorder"], !bytes[order].elementsEqual("little".utf8) {
            throw HeedError(
                .unsupported, "the numbers are stored with their highest byte first", in: file,
                advice: "Load the file with PyTorch and save it again on another machine")
        }
        guard range.count <= PickleMachine.maximumLength else {
            throw HeedError(
                .unsupported, "the pickle is longer than is read", in: file,
                expected: "at most \(grouped(PickleMachine.maximumLength)) bytes", got: grouped(range.count))
        }
        var machine = PickleMachine(
            UnsafeRawBufferPointer(rebasing: bytes[..<range.upperBound]), file: file, at: range.lowerBound)
        value = try machine.run()
        let prefix = folder + "data/"
        var storages: [String: Range<Int>] = [:]
        for (name, range) in archive.entries where name.hasPrefix(prefix) {
            storages[String(name.dropFirst(prefix.count))] = range
        }
        self.machine = machine
        self.storages = storages
    }

    /// Reads the form before PyTorch 1.6: pickles of a magic number, the version, the machine, the value and the keys
    /// of the storages; then each storage as a number of elements and the elements.
    init(oldForm bytes: UnsafeRawBufferPointer, file: String) throws {
        guard bytes.starts(with: PyTorchContent.oldStart) else {
            throw HeedError(
                .badInput, "is no file that torch.save wrote", in: file,
                expected: "a zip archive, or a pickle that starts with PyTorch's own number",
                advice: "Download or save the file again")
        }
        var machine = PickleMachine(bytes, file: file, at: PyTorchContent.oldStart.count)
        guard try machine.run().integerValue == 1001 else {
            throw machine.failure("has another version than 1001", .unsupported)
        }
        guard case .dictionary(let facts) = try machine.run() else { throw machine.broken() }
        for entry in machine.dictionaries[facts] where entry.key.textValue == "little_endian" {
            guard case .bool(true) = entry.value else {
                throw machine.failure("says that numbers have their highest byte first", .unsupported)
            }
        }
        value = try machine.run()
        guard case .list(let list) = try machine.run() else { throw machine.broken() }
        var sizes: [String: Int] = [:]
        for storage in machine.storages { sizes[storage.key] = storage.type?.blockByteCount ?? 1 }
        var reader = ByteReader(bytes, file: file, at: machine.reader.position)
        var storages: [String: Range<Int>] = [:]
        for key in machine.sequences[list] {
            guard let key = key.textValue, let size = sizes[key] else { throw machine.broken() }
            let count = try reader.count(of: size, "the size of the storage \(quoted(key))")
            let start = try reader.take(count * size, "the storage \(quoted(key))")
            storages[key] = start..<start + count * size
        }
        self.machine = machine
        self.storages = storages
    }
}

/// The tensors of a saved value, with their names and places.
struct StateList {
    private let content: PyTorchContent
    private let file: MappedFile
    private(set) var tensors: [StoredTensor] = []
    private(set) var views: [String: StridedView] = [:]
    private(set) var passedOver: [String] = []
    private var names: Set<String> = []
    private var visited: Set<Int> = []
    private var byteCount = 0

    /// How deep dictionaries may lie in each other.
    private static let maximumDepth = 16

    init(_ content: PyTorchContent, file: MappedFile) {
        self.content = content
        self.file = file
    }

    mutating func collect() throws {
        guard case .dictionary(let root) = content.value else {
            throw HeedError(
                .unsupported, "holds no dictionary of tensors", in: file.path, expected: "a state dictionary",
                got: content.value.kind, advice: "Save model.state_dict() instead")
        }
        let entries = content.machine.dictionaries[root]
        for wanted in ["state_dict", "model_state_dict", "model"] {
            guard let entry = entries.first(where: { $0.key.textValue == wanted }),
                case .dictionary(let inner) = entry.value
            else { continue }
            try add(inner, prefix: "", depth: 0)
            if tensors.isEmpty { continue }
            passedOver += entries.compactMap(\.key.textValue).filter { $0 != wanted }
            return
        }
        visited = []
        passedOver = []
        try add(root, prefix: "", depth: 0)
        guard !tensors.isEmpty else {
            throw HeedError(
                .badInput, "holds no tensors", in: file.path, got: "a dictionary of \(entries.count) entries")
        }
    }

    private mutating func add(_ dictionary: Int, prefix: String, depth: Int) throws {
        guard visited.insert(dictionary).inserted, depth < StateList.maximumDepth else {
            throw HeedError(
                .badInput, "a dictionary is there twice, or too deep in others", in: file.path,
                got: quoted(prefix, limit: 200))
        }
        for entry in content.machine.dictionaries[dictionary] {
            guard let key = entry.key.textValue ?? entry.key.integerValue.map(String.init) else {
                throw HeedError(
                    .unsupported, "a dictionary has a key that is no text", in: file.path, got: entry.key.kind)
            }
            let name = prefix + key
            switch entry.value {
            case .tensor(let index): try add(content.machine.tensors[index], name)
            case .dictionary(let inner): try add(inner, prefix: name + ".", depth: depth + 1)
            default: passedOver.append(name)
            }
        }
    }

    private mutating func add(_ tensor: PickleTensor, _ name: String) throws {
        func failure(_ what: String, expected: String? = nil, got: String? = nil) -> HeedError {
            HeedError(
                .badInput, "\(what), tensor \(quoted(name, limit: 200))", in: file.path, expected: expected, got: got)
        }
        guard names.insert(name).inserted else { throw failure("the name is there twice") }
        let storage = content.machine.storages[tensor.storage]
        guard let range = content.storages[storage.key] else {
            throw failure("the storage \(quoted(storage.key)) is missing, so the file is cut short or broken")
        }
        let size = tensor.type.blockByteCount
        let elements = range.count / size
        // Untyped storages count bytes.
        let claimed = storage.type == nil ? storage.count / size : storage.count
        guard claimed <= elements else {
            throw failure(
                "the storage \(quoted(storage.key)) is cut short", expected: "\(claimed) elements", got: "\(elements)")
        }
        guard let bytes = tensor.type.byteCount(shape: tensor.shape) else {
            throw failure(
                "the shape is impossible", expected: "extents whose product is a size in memory",
                got: "\(tensor.shape)")
        }
        let view = StridedView(offset: tensor.offset, strides: tensor.strides)
        guard let end = view.end(tensor.shape), end <= claimed else {
            throw failure(
                "the tensor leads beyond its storage", expected: "\(claimed) elements",
                got: "\(tensor.shape) from \(tensor.offset) in steps of \(tensor.strides)")
        }
        // A view may show a storage more often than once, but a small file must not become a disk full of numbers.
        byteCount += bytes
        guard bytes <= max(range.count, 1 << 20), byteCount / 64 <= file.count else {
            throw failure(
                "the tensor shows the same numbers over and over", expected: "at most as many as are stored",
                got: "\(tensor.shape) in steps of \(tensor.strides)")
        }
        let start = range.lowerBound
        if view.isContiguous(tensor.shape) {
            let first = start + tensor.offset * size
            tensors.append(
                StoredTensor(
                    name: name, type: tensor.type, shape: tensor.shape, file: file.path,
                    byteRange: first..<first + bytes))
        } else {
            views[name] = view
            tensors.append(
                StoredTensor(name: name, type: tensor.type, shape: tensor.shape, file: file.path, byteRange: range))
        }
    }
}
