import HeedSupport
import HeedWeights

/// A number that a checkpoint's bytes give, to tell a damaged file from a whole one: not a protection against intent.
///
/// Words of 64 bits are mixed one after another: `h ← (h ⊕ w) · p`, rotated. Cost: one pass at memory speed.
final class StateChecksum {
    static let name = "checksum"
    private(set) var value: UInt64 = 0x9E37_79B9_7F4A_7C15

    /// Takes the next bytes.
    func add(_ bytes: UnsafeRawBufferPointer) {
        var h = value
        let words = bytes.count / 8
        for index in 0..<words {
            let word = bytes.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self).littleEndian
            h = (h ^ word) &* 0xD6E8_FEB8_6659_FD93
            h = h << 31 | h >> 33
        }
        for index in words * 8..<bytes.count { h = (h ^ UInt64(bytes[index])) &* 0xD6E8_FEB8_6659_FD93 }
        value = h
    }

    /// The tensor that stands behind those that were taken.
    var tensor: TensorToWrite {
        TensorToWrite(StateChecksum.name, .i64, shape: [1]) { writer in
            try withUnsafeBytes(of: self.value.littleEndian) { try writer.append(raw: $0) }
        }
    }

    /// Throws where a file's numbers do not give the checksum that it holds, naming the file.
    static func verify(_ file: SafetensorsFile) throws {
        let stored = try file.required(name, shape: [1])
        let sum = StateChecksum()
        for tensor in file.tensors where tensor.name != name {
            try file.withBytes(of: tensor) { sum.add($0) }
        }
        let expected = try file.withBytes(of: stored) { bytes in
            bytes.count == 8 ? bytes.loadUnaligned(as: UInt64.self).littleEndian : 0
        }
        guard sum.value == expected else {
            throw HeedError(
                .badInput, "the checkpoint is damaged: its numbers do not give its checksum", in: file.place,
                expected: String(expected, radix: 16), got: String(sum.value, radix: 16))
        }
    }
}
