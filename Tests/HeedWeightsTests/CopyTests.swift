import HeedSupport
import HeedWeights
import Testing

@Suite("copies and differences of weights")
struct CopyTests {
    private func source(_ folder: String) throws -> SafetensorsFile {
        let path = joinPath(folder, "a.safetensors")
        try writeSafetensors(
            path: path,
            [
                TensorToWrite("vector", shape: [256], (0..<256).map { Float($0) / 16 }),
                TensorToWrite("matrix", .f16, shape: [3, 256], (0..<768).map { Float($0) / 16 }),
                TensorToWrite("narrow", .bf16, shape: [4, 32], (0..<128).map { Float($0) }),
                TensorToWrite("odd", shape: [5, 7], (0..<35).map { Float($0) }),
                TensorToWrite("ids", shape: [2], integers: [1, 2]),
            ])
        return try SafetensorsFile(path: path)
    }

    @Test("each tensor gets the type that suits it")
    func types() throws {
        try withTemporaryFolder { folder in
            let source = try source(folder)
            func types(_ format: TensorCopy.Format, _ type: ElementType?) throws -> [ElementType] {
                try TensorCopy(source, to: format, type: type).items.map(\.type)
            }
            #expect(try types(.gguf, nil) == [.f32, .f16, .bf16, .f32, .i64])
            #expect(try types(.gguf, .q4K) == [.f32, .q4K, .q8_0, .f16, .i64])
            #expect(try types(.gguf, .f16) == [.f32, .f16, .f16, .f16, .i64])
            #expect(try types(.safetensors, .bf16) == [.bf16, .bf16, .bf16, .bf16, .i64])
            #expect(message { _ = try types(.safetensors, .q8_0) }.contains("Q8_0"))
        }
    }

    @Test("a copy holds the same numbers, there and back")
    func thereAndBack() throws {
        try withTemporaryFolder { folder in
            let first = try source(folder)
            let path = joinPath(folder, "a.gguf")
            var done = 0
            let copy = try TensorCopy(first, to: .gguf, type: nil)
            try writeGGUF(path: path, metadata: GGUFMetadata(), copy.tensors { done = $0 })
            #expect(done == copy.elementCount)
            let second = try openTensors(path: path)
            for tensor in first.tensors {
                let difference = try TensorDifference(tensor.name, first, second)
                #expect(difference.isEqual && difference.largest == 0 && difference.mean == 0)
            }
            let halves = joinPath(folder, "h.safetensors")
            try writeSafetensors(path: halves, try TensorCopy(second, to: .safetensors, type: .f32).tensors { _ in })
            #expect(try openTensors(path: halves).floats("matrix") == first.floats("matrix"))
        }
    }

    @Test("a number beyond F16 is refused with the tensor's name, and no file is left")
    func beyondHalf() throws {
        try withTemporaryFolder { folder in
            let path = joinPath(folder, "big.safetensors")
            try writeSafetensors(path: path, [TensorToWrite("w", shape: [2, 2], [1, 2, 70_000, 4])])
            let copy = try TensorCopy(try openTensors(path: path), to: .gguf, type: .f16)
            let target = joinPath(folder, "big.gguf")
            let text = message {
                try writeGGUF(path: target, metadata: GGUFMetadata(), copy.tensors { _ in })
            }
            #expect(text.contains("\"w\"") && text.contains("70000"))
            #expect(try listDirectory(folder) == ["big.safetensors"])
        }
    }

    @Test("differences are the largest, the mean and how many")
    func differences() throws {
        try withTemporaryFolder { folder in
            func file(_ name: String, _ values: [Float], shape: [Int]? = nil) throws -> any TensorSource {
                let path = joinPath(folder, name)
                try writeSafetensors(path: path, [TensorToWrite("w", shape: shape ?? [values.count], values)])
                return try openTensors(path: path)
            }
            let base = try file("a", [1, 2, 3, .nan])
            let moved = try TensorDifference("w", base, try file("b", [1, 2.5, 2, .nan]))
            #expect(moved.largest == 1 && moved.mean == 0.375 && moved.differing == 2 && !moved.isEqual)
            let broken = try TensorDifference("w", base, try file("c", [1, .infinity, 3, .nan]))
            #expect(broken.largest == .infinity && broken.differing == 1)
            let other = try TensorDifference("w", base, try file("d", [1, 2, 3, .nan], shape: [2, 2]))
            #expect(other.largest == nil && !other.isEqual)
            #expect(message { _ = try TensorDifference("x", base, base) }.contains("\"x\""))
        }
    }
}
