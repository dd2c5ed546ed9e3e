import HeedSupport
import HeedWeights
import TestFixtures
import Testing

@Suite("safetensors")
struct SafetensorsTests {
    private static let sound =
        #"{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"I64","shape":[2],"data_offsets":[24,40]}}"#

    private func soundBytes() -> [UInt8] {
        let floats: [Float] = [1, 2, 3, 4, 5, 6]
        let integers: [Int64] = [-7, 1 << 62]
        return encode(
            header: Self.sound, data: floats.withUnsafeBytes { Array($0) } + integers.withUnsafeBytes { Array($0) })
    }

    @Test("a sound file gives names, shapes and values")
    func reading() throws {
        try withTemporaryFolder { folder in
            let file = try open(soundBytes(), in: folder)
            #expect(file.tensors.map(\.name) == ["a", "b"])
            #expect(file.tensor(named: "a")?.shape == [2, 3])
            #expect(try file.floats("a") == [1, 2, 3, 4, 5, 6])
            #expect(try file.integers("b") == [-7, 1 << 62])
            #expect(file.tensor(named: "c") == nil)
        }
    }

    @Test("rows and transposes are read in place", arguments: [ElementType.f32, .f16, .bf16, .f64])
    func transposing(type: ElementType) throws {
        try withTemporaryFolder { folder in
            let (rows, columns) = (37, 45)
            let values = (0..<rows * columns).map { Float($0 % 251) - 100 }
            let path = joinPath(folder, "model.safetensors")
            try writeSafetensors(path: path, [TensorToWrite("m", type, shape: [rows, columns], values)])
            let file = try SafetensorsFile(path: path)
            #expect(file.metadata == ["format": "pt"])
            var part = [Float](repeating: 0, count: 5 * columns)
            try part.withUnsafeMutableBufferPointer { try file.read("m", rows: 30..<35, into: $0) }
            #expect(part == Array(values[30 * columns..<35 * columns]))
            var turned = [Float](repeating: 0, count: 33 * rows)
            try turned.withUnsafeMutableBufferPointer {
                try file.read("m", shape: [37, 45], transposed: true, rows: 7..<40, into: $0)
            }
            let expected = (7..<40).flatMap { column in (0..<rows).map { values[$0 * columns + column] } }
            #expect(turned == expected)
        }
    }

    @Test("a written file is whole, aligned and read back", arguments: [0, 1, 7, 300])
    func writing(length: Int) throws {
        try withTemporaryFolder { folder in
            let path = joinPath(folder, "out.safetensors")
            let values = (0..<length).map { Float($0) * 0.37 }
            var file = TensorFile()
            file.append("x" + String(repeating: "y", count: length % 11), shape: [length], values)
            file.append("ids", shape: [1, 3], integers: [4, -100, 1 << 40])
            file.append("loss", shape: [], [2.5])
            try file.write(path: path)
            let bytes = try readFile(path)
            #expect(bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) } % 8 == 0)
            let back = try TensorFile(path: path)
            #expect(back.entries == file.entries)
            #expect(try back.matrix("ids").values == [4, -100, 1 << 40])
            #expect(try listDirectory(folder) == ["out.safetensors"])
        }
    }

    @Test("a transposed tensor is written as its transpose")
    func writingTransposed() throws {
        try withTemporaryFolder { folder in
            let path = joinPath(folder, "out.safetensors")
            let tensor = TensorToWrite("m", .bf16, shape: [3, 2]) { writer in
                let values: [Float] = [1, 2, 3, 4, 5, 6]
                try values.withUnsafeBufferPointer { try writer.append(transposeOf: $0, rows: 2, columns: 3) }
            }
            try writeSafetensors(path: path, [tensor])
            #expect(try SafetensorsFile(path: path).floats("m") == [1, 4, 2, 5, 3, 6])
        }
    }

    @Test("a body that writes too little leaves no file")
    func writingTooLittle() throws {
        try withTemporaryFolder { folder in
            let path = joinPath(folder, "out.safetensors")
            let short = TensorToWrite("m", shape: [4]) { writer in
                try [Float(1)].withUnsafeBufferPointer { try writer.append($0) }
            }
            #expect(message { try writeSafetensors(path: path, [short]) }.contains("\"m\""))
            let left = try listDirectory(folder)
            #expect(left.isEmpty)
        }
    }

    @Test(
        "a broken header names the file and the tensor",
        arguments: [
            (
                #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
                "overlap"
            ),
            (
                #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4611686018427387904,4611686018427387908]}}"#,
                "end of the file"
            ),
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[-8,-4]}}"#, "data_offsets"),
            (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, "data_offsets"),
            (#"{"a":{"dtype":"F32","shape":[1099511627776,1099511627776],"data_offsets":[0,8]}}"#, "shape"),
            (#"{"a":{"dtype":"F32","shape":[-1,-1],"data_offsets":[0,4]}}"#, "shape"),
            (#"{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}"#, "shape"),
            (#"{"a":{"dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,4]}}"#, "shape"),
            (#"{"a":{"dtype":"Q9_Z","shape":[2],"data_offsets":[0,8]}}"#, "Q9_Z"),
            (#"{"a":{"dtype":"F32","data_offsets":[0,8]}}"#, "shape is missing"),
            (#"{"a":{"shape":[2],"data_offsets":[0,8]}}"#, "dtype is missing"),
            (#"{"a":{"dtype":"F32","shape":[2]}}"#, "data_offsets is missing"),
            (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}}"#, "data_offsets"),
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}"#, "do not fit"),
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, "belong to no tensor"),
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, "after the last tensor"),
            (#"{"a":7}"#, "\"a\""),
            (
                #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
                "a"
            ),
            (#"{"__metadata__":{"format":7},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, "format"),
        ])
    func brokenHeaders(header: String, needle: String) throws {
        try withTemporaryFolder { folder in
            let text = message {
                _ = try open(encode(header: header, data: [UInt8](repeating: 0, count: 8)), in: folder)
            }
            #expect(text.contains("model.safetensors") && text.contains(needle), "\(text)")
            #expect(!text.contains("\n"))
        }
    }

    @Test("broken lengths and texts are refused")
    func brokenLengths() throws {
        let sound = soundBytes()
        let deep = #"{"a":"# + String(repeating: "[", count: 200_000)
        let cases: [[UInt8]] = [
            [], Array(sound[..<5]), Array(sound[..<60]), Array(sound.dropLast(3)), sound + [1],
            withUnsafeBytes(of: UInt64(1) << 63) { Array($0) } + sound[8...],
            withUnsafeBytes(of: UInt64.max) { Array($0) } + sound[8...],
            encode(header: "[1,2,3] "), encode(header: "?????"), encode(header: deep), encode(header: ""),
        ]
        try withTemporaryFolder { folder in
            for bytes in cases {
                #expect(message { _ = try open(bytes, in: folder) }.contains("model.safetensors"))
            }
        }
    }

    @Test("every truncation of a sound file is refused")
    func truncations() throws {
        let sound = soundBytes()
        try withTemporaryFolder { folder in
            for end in sound.indices {
                #expect(throws: HeedError.self) { _ = try open(Array(sound[..<end]), in: folder) }
            }
        }
    }

    @Test("random damage gives a message or a file whose tensors can all be read")
    func damage() throws {
        var random = SplitMix(state: 20_240_229)
        let sound = soundBytes()
        try withTemporaryFolder { folder in
            var refused = 0
            for round in 0..<1000 {
                var bytes = sound
                for _ in 0...Int.random(in: 0..<3, using: &random) {
                    switch round % 3 {
                    case 0:
                        bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
                    case 1: bytes.remove(at: Int.random(in: 8..<bytes.count, using: &random))
                    default:
                        bytes.insert(.random(in: 32...126, using: &random), at: Int.random(in: 8..<100, using: &random))
                    }
                }
                do {
                    let file = try open(bytes, in: folder)
                    for tensor in file.tensors { #expect(try file.doubles(tensor.name).count == tensor.count) }
                } catch let error as HeedError {
                    refused += 1
                    #expect(!error.description.contains("\n"))
                }
            }
            #expect(refused > 650)
        }
    }

    @Test("random bytes are refused")
    func noise() throws {
        var random = SplitMix(state: 7)
        try withTemporaryFolder { folder in
            for length in 0..<400 {
                let bytes = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
                #expect(throws: HeedError.self) { _ = try open(bytes, in: folder) }
            }
        }
    }

    @Test("weights that are not finite are refused with name and place", arguments: [Float.nan, .infinity, -.infinity])
    func nonFinite(value: Float) throws {
        try withTemporaryFolder { folder in
            var values = [Float](repeating: 1, count: 9 * 1000)
            values[3 * 1000 + 17] = value
            let path = joinPath(folder, "model.safetensors")
            try writeSafetensors(path: path, [TensorToWrite("h.0.w", shape: [9, 1000], values)])
            let file = try SafetensorsFile(path: path)
            for transposed in [false, true] {
                let text = message {
                    try values.withUnsafeMutableBufferPointer {
                        try file.read("h.0.w", transposed: transposed, into: $0)
                    }
                }
                #expect(
                    text.contains("h.0.w") && text.contains("[3, 17]") && text.contains("model.safetensors"), "\(text)")
            }
            #expect(message { try file.checkFinite() }.contains("[3, 17]"))
        }
    }

    @Test("missing names, other shapes and integers among weights are named")
    func requirements() throws {
        try withTemporaryFolder { folder in
            let file = try open(soundBytes(), in: folder)
            var room = [Float](repeating: 0, count: 6)
            func reading(_ name: String, _ shape: [Int]? = nil) -> String {
                message { try room.withUnsafeMutableBufferPointer { try file.read(name, shape: shape, into: $0) } }
            }
            #expect(reading("aa").contains("nearest name there is \"a\""))
            #expect(reading("a", [3, 2]).contains("Expected [3, 2] as config.json says, got [2, 3]"))
            #expect(reading("b").contains("I64"))
        }
    }
}
