import HeedSupport
import HeedWeights
import TestFixtures
import Testing

@Suite("GGUF")
struct GGUFTests {
    static let kinds: [(ElementType, Int)] = [(.q8_0, 32), (.q4_0, 32), (.q4K, 256), (.q6K, 256)]

    /// Metadata with a value of every type.
    static let metadata: GGUFMetadata = {
        var metadata = GGUFMetadata()
        metadata["general.architecture"] = .string("llama")
        metadata["a.uint8"] = .uint8(200)
        metadata["a.int8"] = .int8(-5)
        metadata["a.uint16"] = .uint16(60_000)
        metadata["a.int16"] = .int16(-300)
        metadata["a.uint32"] = .uint32(4_000_000_000)
        metadata["a.int32"] = .int32(-7)
        metadata["a.float32"] = .float32(0.5)
        metadata["a.bool"] = .bool(true)
        metadata["a.uint64"] = .uint64(.max)
        metadata["a.int64"] = .int64(-1 << 40)
        metadata["a.float64"] = .float64(1e300)
        metadata["a.strings"] = .array(GGUFArray(["<s>", "", "é漢"]))
        metadata["a.floats"] = .array(GGUFArray([1.5, -2] as [Float]))
        metadata["a.integers"] = .array(GGUFArray([3, -4] as [Int32]))
        metadata["a.truths"] = .array(GGUFArray([true, false]))
        return metadata
    }()

    private func write(_ path: String) throws {
        let matrix = (0..<64).map { Float($0) / 8 - 4 }
        try writeGGUF(
            path: path, metadata: Self.metadata,
            [
                TensorToWrite("m", .f32, shape: [2, 32], matrix), TensorToWrite("q", .q8_0, shape: [2, 32], matrix),
                TensorToWrite("v", .bf16, shape: [3], [1, 2, 3]), TensorToWrite("i", shape: [2], integers: [7, -8]),
            ])
    }

    @Test("what is written is read back: every type of value, shapes, numbers")
    func roundTrip() throws {
        try withTemporaryFolder { folder in
            let path = joinPath(folder, "m.gguf")
            try write(path)
            let file = try GGUFFile(path: path)
            #expect(file.metadata.keys == Self.metadata.keys)
            for key in file.metadata.keys { #expect(file.metadata[key] == Self.metadata[key]) }
            #expect(try file.metadata.strings("a.strings") == ["<s>", "", "é漢"])
            #expect(try file.metadata.integers("a.integers") == [3, -4])
            #expect(try file.metadata.integers("a.truths") == [1, 0])
            #expect(try file.metadata.numbers("a.floats") == [1.5, -2])
            #expect(try file.metadata.integer("a.uint16") == 60_000)
            #expect(try file.metadata.number("a.float64") == 1e300)
            #expect(try file.metadata.bool("a.none") == nil)
            #expect(file.tensors.map(\.shape) == [[2, 32], [2, 32], [3], [2]])
            #expect(file.tensors.map(\.type) == [.f32, .q8_0, .bf16, .i64])
            #expect(file.tensors.allSatisfy { $0.byteRange.lowerBound % 32 == 0 })
            #expect(try file.floats("v") == [1, 2, 3])
            #expect(try file.integers("i") == [7, -8])
            let (exact, rounded) = (try file.floats("m"), try file.floats("q"))
            #expect(zip(exact, rounded).allSatisfy { abs($0 - $1) <= 4 / 254 * 1.01 })
            // Rows and transposes of blocks are those of the whole.
            var row = [Float](repeating: 0, count: 32)
            try row.withUnsafeMutableBufferPointer { try file.read("q", rows: 1..<2, into: $0) }
            #expect(row == Array(rounded[32...]))
            var turned = [Float](repeating: 0, count: 10)
            try turned.withUnsafeMutableBufferPointer {
                try file.read("q", transposed: true, rows: 3..<8, into: $0)
            }
            #expect(turned == (3..<8).flatMap { [rounded[$0], rounded[32 + $0]] })
        }
    }

    @Test("values of another type or range are named")
    func wrongValues() {
        let metadata = Self.metadata
        #expect(message { _ = try metadata.string("a.uint8") }.contains("\"a.uint8\""))
        #expect(message { _ = try metadata.integer("a.uint64") }.contains("\"a.uint64\""))
        #expect(message { _ = try metadata.integers("a.strings") }.contains("3 string"))
        #expect(message { _ = try metadata.required("a.int9", { try metadata.integer($0) }) }.contains("a.int8"))
    }

    @Test("parts of a model are joined, from whichever is named")
    func parts() throws {
        try withTemporaryFolder { folder in
            for part in 0..<3 {
                var metadata = part == 0 ? Self.metadata : GGUFMetadata()
                metadata["split.no"] = .uint16(UInt16(part))
                metadata["split.count"] = .uint16(3)
                metadata["split.tensors.count"] = .int32(3)
                try writeGGUF(
                    path: joinPath(folder, "m-0000\(part + 1)-of-00003.gguf"), metadata: metadata,
                    [TensorToWrite("t\(part)", shape: [1], [Float(part)])])
            }
            for part in 1...3 {
                let file = try GGUFFile(path: joinPath(folder, "m-0000\(part)-of-00003.gguf"))
                #expect(file.tensors.map(\.name) == ["t0", "t1", "t2"])
                #expect(try file.floats("t2") == [2])
                #expect(try file.metadata.string("general.architecture") == "llama")
            }
            try removeFile(joinPath(folder, "m-00002-of-00003.gguf"))
            let text = message { _ = try GGUFFile(path: joinPath(folder, "m-00001-of-00003.gguf")) }
            #expect(text.contains("m-00002-of-00003.gguf is missing"))
        }
    }

    @Test("files of llama.cpp's converter are read", .enabled(if: Shared.isThere))
    func published() throws {
        let file = try GGUFFile(path: Shared.path("models", "stories260K", "stories260K.f32.gguf"))
        let folder = try openWeights(folder: Shared.path("models", "stories260K", "hf"))
        #expect(try file.metadata.string("general.architecture") == "llama")
        #expect(try file.metadata.strings("tokenizer.ggml.tokens")?.count == 512)
        #expect(try file.floats("blk.0.ffn_down.weight") == folder.floats("model.layers.0.mlp.down_proj.weight"))
        #expect(file.tensor(named: "blk.0.ffn_down.weight")?.shape == [64, 172])
        let llama = try openTensors(path: Shared.path("models", "stories260K", "stories260K.bin"))
        #expect(Set(llama.tensors.map(\.name)) == Set(folder.tensors.map(\.name)))
        for tensor in folder.tensors { #expect(try llama.floats(tensor.name) == folder.floats(tensor.name)) }
    }

    @Test("every truncation is refused")
    func truncations() throws {
        try withTemporaryFolder { folder in
            let path = joinPath(folder, "m.gguf")
            try write(path)
            let bytes = try readFile(path)
            for end in stride(from: 0, to: bytes.count - 32, by: 1) {
                #expect(throws: HeedError.self) {
                    _ = try GGUFFile([try MappedFile(copying: Array(bytes[..<end]), path: "m.gguf")])
                }
            }
        }
    }

    @Test("hostile tables end in a message")
    func hostile() {
        func table(_ version: UInt32 = 3, tensors: UInt64, values: UInt64, _ rest: (inout Bytes) -> Void = { _ in })
            -> String
        {
            var bytes = Bytes()
            bytes.add("GGUF")
            bytes.add(version)
            bytes.add(tensors)
            bytes.add(values)
            rest(&bytes)
            return message { _ = try GGUFFile([try MappedFile(copying: bytes.all, path: "h.gguf")]) }
        }
        func text(_ bytes: inout Bytes, _ text: String) {
            bytes.add(UInt64(text.utf8.count))
            bytes.add(text)
        }
        #expect(table(1, tensors: 0, values: 0).contains("version 2 or 3"))
        #expect(table(UInt32(3).byteSwapped, tensors: 0, values: 0).contains("highest byte first"))
        #expect(table(tensors: 1 << 60, values: 0).contains("number of tensors"))
        #expect(table(tensors: 0, values: .max).contains("number of values"))
        // Arrays in arrays, and an array of 2^61 texts.
        #expect(
            table(tensors: 0, values: 1) { bytes in
                text(&bytes, "k")
                bytes.add(UInt32(9))
                for _ in 0..<100_000 {
                    bytes.add(UInt32(9))
                    bytes.add(UInt64(1))
                }
            }.contains("too deep"))
        #expect(
            table(tensors: 0, values: 1) { bytes in
                text(&bytes, "k")
                bytes.add(UInt32(9))
                bytes.add(UInt32(8))
                bytes.add(UInt64(1) << 61)
            }.contains("\"k\""))
        func tensor(_ extents: [UInt64], _ type: UInt32, _ offset: UInt64) -> String {
            table(tensors: 1, values: 0) { bytes in
                text(&bytes, "w")
                bytes.add(UInt32(extents.count))
                for extent in extents { bytes.add(extent) }
                bytes.add(type)
                bytes.add(offset)
            }
        }
        #expect(tensor([1 << 40, 1 << 40], 0, 0).contains("impossible shape"))
        #expect(tensor([.max], 0, 0).contains("impossible shape"))
        // As many elements as can be counted, of more bytes than can be.
        #expect(tensor([32, 288_230_376_151_711_743], 8, 0).contains("impossible shape"))
        #expect(tensor([33], 8, 0).contains("whole blocks"))
        #expect(tensor([1 << 40], 0, 0).contains("beyond the end"))
        #expect(tensor([8], 0, .max).contains("beyond the end"))
        #expect(tensor([8], 16, 0).contains("IQ2_XXS"))
        #expect(tensor([UInt64](repeating: 1, count: 9), 0, 0).contains("number of extents"))
    }

    // MARK: Quantisers

    /// Numbers of several sizes, signs and forms, the same on every machine.
    static let numbers: [Float] = {
        var random = SplitMix(state: 42)
        return (0..<96 * 256).map { index in
            let unit = Float(Int64(random.next() >> 40) - 8_388_608) * 0x1p-23
            let block = index / 256
            let scale = Float(1 << (block % 7)) * 0.125
            var value = unit * scale
            if block % 3 == 1 { value = value * unit * unit }
            if block % 3 == 2 { value += scale }
            return block % 5 == 4 && index % 256 < 64 ? 0 : value
        }
    }()

    private func quantised(_ values: [Float], _ type: ElementType) throws -> [UInt8] {
        var bytes: [UInt8] = []
        try withTemporaryFolder { folder in
            let path = joinPath(folder, "q.gguf")
            let tensor = TensorToWrite("x", type, shape: [values.count / 256, 256]) { writer in
                // Pieces that end within blocks.
                var start = 0
                for size in [1, 30, 2, 300, 5000, values.count] {
                    let end = min(start + size, values.count)
                    try values[start..<end].withUnsafeBufferPointer { try writer.append($0) }
                    start = end
                }
            }
            try writeGGUF(path: path, metadata: GGUFMetadata(), [tensor])
            let file = try GGUFFile(path: path)
            bytes = try file.withBytes(of: try file.required("x")) { Array($0) }
        }
        return bytes
    }

    @Test(
        "blocks are those of ggml's own quantisers",
        arguments: [
            (.q8_0, 0x73ED_A664_3F09_4E9F), (.q4_0, 0xD970_B334_8944_B38B), (.q4K, 0x06D4_15DD_3F02_B2A1),
            (.q6K, 0xC12E_A21B_99FD_8A30),
        ] as [(ElementType, UInt64)])
    func quantisers(type: ElementType, hash: UInt64) throws {
        // The hashes are of what `quantize_row_*_ref` of ggml (2026), compiled without contraction, makes of them.
        func hashed(_ bytes: [UInt8]) -> UInt64 {
            bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        }
        #expect(hashed(bytes(of: Self.numbers)) == 0x4290_C0C0_4C51_E5A0)
        #expect(hashed(try quantised(Self.numbers, type)) == hash)
    }

    @Test("blocks are those of the gguf package", .enabled(if: Shared.isThere), arguments: [ElementType.q8_0, .q4_0])
    func package(type: ElementType) throws {
        let golden = try SafetensorsFile(path: Shared.fixture("gguf", "quants.safetensors"))
        // Rows of 64 fill whole blocks of 32, so that the shape of rows does not matter.
        let values = try golden.floats("x") + [Float](repeating: 0, count: 128)
        let expected = try golden.integers("\(type.rawValue).bytes").map { UInt8($0) }
        var got = try Array(quantised(values, type).prefix(expected.count))
        // The package gives the scale of a block of zeros the sign of its first zero; ggml itself does not.
        for start in stride(from: 0, to: got.count, by: type.blockByteCount)
        where got[start] == 0 && got[start + 1] == 0x80 && expected[start + 1] == 0 {
            got[start + 1] = 0
        }
        #expect(got == expected)
    }

    @Test("numbers that no block can hold are refused, and tiny ones are 0", arguments: kinds.map(\.0))
    func extremes(type: ElementType) throws {
        for value in [Float.nan, .infinity, 1e38] {
            var values = [Float](repeating: 1, count: 256)
            values[100] = value
            #expect(message { _ = try quantised(values, type) }.contains("\"x\""))
        }
        for value in [Float.leastNonzeroMagnitude, 0x1p-140, -0x1p-127, 0] {
            #expect(
                try quantised([Float](repeating: value, count: 256), type).count == type.blockByteCount * 256
                    / type.blockLength)
        }
    }
}
