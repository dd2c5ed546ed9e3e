import HeedSupport
import HeedWeights

/// Writes the mean of several weight files, as Vaswani et al. 2017 (section 6.1) average their last checkpoints.
///
/// Sums are in double precision, in the order of the files. Every file must have the same tensors.
/// - Throws: `HeedError` naming file and tensor.
/// Cost: one pass over all files; memory of the largest tensor.
public func averageWeights(_ paths: [String], output: String) throws {
    let files = try paths.map { try SafetensorsFile(path: $0) }
    guard let first = files.first else {
        throw HeedError(.usage, "there are no weights to average", in: output)
    }
    for file in files where file.tensors.count != first.tensors.count {
        throw HeedError(
            .badInput, "the weights to average are not of one model", in: file.place,
            expected: "\(first.tensors.count) tensors", got: "\(file.tensors.count)")
    }
    let tensors = first.tensors.map { tensor in
        TensorToWrite(tensor.name, .f32, shape: tensor.shape) { writer in
            var sum = [Double](repeating: 0, count: tensor.count)
            var values = [Float](repeating: 0, count: tensor.count)
            for file in files {
                try values.withUnsafeMutableBufferPointer {
                    try file.read(tensor.name, shape: tensor.shape, into: $0)
                }
                for index in values.indices { sum[index] += Double(values[index]) }
            }
            let count = Double(files.count)
            for index in values.indices { values[index] = Float(sum[index] / count) }
            try values.withUnsafeBufferPointer { try writer.append($0) }
        }
    }
    try writeSafetensors(path: output, tensors, metadata: first.metadata)
}
