import HeedSupport
import HeedWeights
import Testing

@Suite("pytorch_model.bin")
struct PyTorchFileTests {
    /// Two tensors of one storage, one of them turned; a BFloat16; a nested dictionary; things beside them.
    static let state = PickleBytes.of { pickle in
        pickle.dictionary { pickle in
            pickle.text("w")
            pickle.tensor("FloatStorage", key: "0", count: 6, shape: [2, 3], strides: [3, 1])
            pickle.text("wT")
            pickle.tensor("FloatStorage", key: "0", count: 6, shape: [3, 2], strides: [1, 3])
            pickle.text("tail")
            pickle.tensor("FloatStorage", key: "0", count: 6, offset: 4, shape: [2], strides: [1])
            pickle.text("inner")
            pickle.dictionary { pickle in
                pickle.text("b")
                pickle.tensor("BFloat16Storage", key: "1", count: 2, shape: [2], strides: [1])
            }
            pickle.text("steps")
            pickle.integer(17)
        }
    }
    static let storages: [(String, [UInt8])] = [
        ("m/data/0", bytes(of: [1, 2, 3, 4, 5, 6] as [Float])), ("m/data/1", bytes(of: [0x3F80, 0xC000] as [UInt16])),
    ]

    static func archive(_ pickle: [UInt8], byteOrder: String = "little") -> [UInt8] {
        zipBytes([("m/data.pkl", pickle), ("m/byteorder", Array(byteOrder.utf8))] + storages)
    }

    /// The form before PyTorch 1.6: five pickles and a storage.
    static let oldFile: [UInt8] = {
        var file = Bytes(all: [
            0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, UInt8(ascii: "."),
        ])
        file.add(PickleBytes.of { $0.integer(1001) })
        file.add(
            PickleBytes.of { pickle in
                pickle.bytes.add("}(")
                pickle.text("little_endian")
                pickle.bytes.add([0x88])
                pickle.bytes.add("u")
            })
        file.add(
            PickleBytes.of { pickle in
                pickle.dictionary { pickle in
                    pickle.text("x")
                    pickle.tensor("LongStorage", key: "77", count: 2, shape: [2, 1], strides: [1, 1], old: true)
                }
            })
        file.add(
            PickleBytes.of { pickle in
                pickle.bytes.add("](")
                pickle.text("77")
                pickle.bytes.add("e")
            })
        file.add(UInt64(2))
        file.add(bytes(of: [5, -6] as [Int64]))
        return file.all
    }()

    private func open(_ bytes: [UInt8]) throws -> PyTorchFile {
        try PyTorchFile(MappedFile(copying: bytes, path: "pytorch_model.bin"))
    }

    @Test("names, shapes and values, of turned and shared tensors too")
    func reading() throws {
        let file = try open(Self.archive(Self.state))
        #expect(file.tensors.map(\.name) == ["w", "wT", "tail", "inner.b"])
        #expect(file.tensors.map(\.type) == [.f32, .f32, .f32, .bf16])
        #expect(try file.floats("w") == [1, 2, 3, 4, 5, 6])
        #expect(try file.floats("wT") == [1, 4, 2, 5, 3, 6])
        #expect(try file.floats("tail") == [5, 6])
        #expect(try file.floats("inner.b") == [1, -2])
        #expect(file.passedOver == ["steps"])
        var row = [Float](repeating: 0, count: 2)
        try row.withUnsafeMutableBufferPointer { try file.read("wT", rows: 1..<2, into: $0) }
        #expect(row == [2, 5])
    }

    @Test("the form before PyTorch 1.6 is read as well")
    func oldForm() throws {
        let opened = try open(Self.oldFile)
        #expect(try opened.integers("x") == [5, -6])
        #expect(opened.tensors[0].shape == [2, 1])
        for end in Self.oldFile.indices {
            #expect(throws: HeedError.self) { _ = try open(Array(Self.oldFile[..<end])) }
        }
    }

    @Test("of a training checkpoint the state dictionary counts")
    func checkpoint() throws {
        let pickle = PickleBytes.of { pickle in
            pickle.dictionary { pickle in
                pickle.text("epoch")
                pickle.integer(3)
                pickle.text("state_dict")
                pickle.dictionary { pickle in
                    pickle.text("w")
                    pickle.tensor("FloatStorage", key: "0", count: 6, shape: [6], strides: [1])
                }
            }
        }
        let file = try open(Self.archive(pickle))
        #expect(file.tensors.map(\.name) == ["w"])
        #expect(file.passedOver == ["epoch"])
    }

    @Test("a pickle that would run something is refused with its name")
    func calls() {
        let evil = PickleBytes.of { pickle in
            pickle.global("posix", "system")
            pickle.bytes.add("(")
            pickle.text("echo")
            pickle.bytes.add("tR")
        }
        #expect(message { _ = try open(Self.archive(evil)) }.contains("\"posix.system\""))
        let stacked = PickleBytes.of { pickle in
            pickle.text("builtins")
            pickle.text("eval")
            pickle.bytes.add([0x93])
        }
        #expect(message { _ = try open(Self.archive(stacked)) }.contains("\"builtins.eval\""))
        let instance: [UInt8] = [0x80, 2] + Array("(iposix\nsystem\n.".utf8)
        #expect(message { _ = try open(Self.archive(instance)) }.contains("INST"))
        let storage = PickleBytes.of { pickle in
            pickle.global("torch.storage", "_load_from_bytes")
        }
        #expect(message { _ = try open(Self.archive(storage)) }.contains("_load_from_bytes"))
    }

    @Test(
        "a view that its storage cannot hold is refused",
        arguments: [
            (7, [7], [1]), (6, [4], [2]), (6, [1 << 30, 1 << 30, 1 << 30], [0, 0, 0]),
            (6, [1 << 30, 1 << 30], [1, 1]),
            (6, [1 << 22], [0]),
        ] as [(Int32, [Int32], [Int32])])
    func views(count: Int32, shape: [Int32], strides: [Int32]) {
        let pickle = PickleBytes.of { pickle in
            pickle.dictionary { pickle in
                pickle.text("w")
                pickle.tensor("FloatStorage", key: "0", count: count, shape: shape, strides: strides)
            }
        }
        #expect(message { _ = try open(Self.archive(pickle)) }.contains("\"w\""))
    }

    @Test("bottomless and endless structures end in a message")
    func bottomless() {
        // A million tuples in each other, and a dictionary in itself.
        let deep = [0x80, 2, UInt8(ascii: "N")] + [UInt8](repeating: 0x85, count: 1_000_000) + Array(".".utf8)
        #expect(message { _ = try open(Self.archive(deep)) }.contains("no dictionary"))
        let cycle = [0x80, 2] + Array("}q\0".utf8) + PickleBytes.of { $0.text("a") }.dropFirst(2).dropLast()
        #expect(message { _ = try open(Self.archive(cycle + Array("h\0s.".utf8))) }.contains("twice"))
    }

    @Test("archives that are none of PyTorch's are refused")
    func archives() {
        let sound = Self.archive(Self.state)
        for end in sound.indices {
            #expect(throws: HeedError.self) { _ = try open(Array(sound[..<end])) }
        }
        #expect(message { _ = try open(Self.archive(Self.state, byteOrder: "big")) }.contains("highest byte first"))
        #expect(message { _ = try open(zipBytes([("m/data.pkl", Self.state)])) }.contains("storage \"0\""))
        #expect(message { _ = try open(zipBytes([("a", [1])])) }.contains("none that torch.save wrote"))
        #expect(message { _ = try open(zipBytes([("m/data.pkl", Self.state)], method: 8)) }.contains("compressed"))
        #expect(
            message { _ = try open(Array("version https://git-lfs.github.com/spec/v1\n".utf8)) }.contains("git-lfs"))
    }

    @Test("folders with pytorch_model.bin, whole and in shards, are opened")
    func folders() throws {
        try withTemporaryFolder { folder in
            try writeAtomically(path: joinPath(folder, "part.bin"), bytes: Self.archive(Self.state))
            let index: JSON = ["weight_map": ["w": "part.bin", "inner.b": "part.bin"]]
            try writeAtomically(path: joinPath(folder, "pytorch_model.bin.index.json"), text: index.serialised())
            let shards = try openWeights(folder: folder)
            #expect(shards.tensors.map(\.name) == ["w", "inner.b"])
            #expect(try shards.floats("inner.b") == [1, -2])
            try writeAtomically(path: joinPath(folder, "pytorch_model.bin"), bytes: Self.archive(Self.state))
            #expect(try openWeights(folder: folder).tensors.count == 4)
        }
    }
}
