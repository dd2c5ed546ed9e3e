import HeedProcessor
import HeedSupport
import HeedTensor
import HeedWeights
import ReferenceBackend
import Testing

@testable import HeedModels

/// The back ends that models are held to golden numbers on.
enum TestBackend: String, CaseIterable, CustomStringConvertible {
    case processor, reference

    var description: String { rawValue }

    func make() throws -> any Backend {
        switch self {
        case .processor: try Runtime(threads: 2)
        case .reference: ReferenceBackend()
        }
    }
}

/// Comparisons with golden tensors.
enum Golden {
    /// The tensors `TAG.in.*` as input of a pass.
    static func inputs(_ golden: SafetensorsFile, _ tag: String) throws -> TensorFile {
        var file = TensorFile(place: "golden")
        for tensor in golden.tensors where tensor.name.hasPrefix("\(tag).in.") {
            file.append(
                String(tensor.name.dropFirst(tag.utf8.count + 4)), shape: tensor.shape,
                integers: try golden.integers(tensor.name).map { Int64($0) })
        }
        return file
    }

    static func floats(_ file: TensorFile, _ name: String) throws -> [Float] {
        guard case .floats(let values)? = file[name]?.values else {
            throw HeedError(.missing, "\(name) is not in the output")
        }
        return values
    }

    /// ‖a − b‖∞ over the leading positions that `keep` marks.
    static func largest(_ a: [Float], _ b: [Double], keep: (Int) -> Bool = { _ in true }) -> Double {
        guard a.count == b.count else { return .infinity }
        var worst = 0.0
        for index in a.indices where keep(index) { worst = max(worst, abs(Double(a[index]) - b[index])) }
        return worst
    }

    static func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }

    /// Holds every `TAG.f64.*` and `TAG.grad.f64.*` against `output`; rows that `mask` excludes may hold anything.
    static func expect(
        _ output: TensorFile, _ golden: SafetensorsFile, _ tag: String, masked: (String) -> Bool = { _ in false },
        skipping: Set<String> = [], limit: Double = 2e-5
    ) throws -> Int {
        var compared = 0
        let mask =
            golden.tensors.contains { $0.name == "\(tag).in.attention_mask" }
            ? try golden.integers("\(tag).in.attention_mask") : []
        let maskColumns = golden.tensors.first { $0.name == "\(tag).in.attention_mask" }?.shape.last ?? 1
        for tensor in golden.tensors where tensor.name.hasPrefix("\(tag).f64.") {
            let name = String(tensor.name.dropFirst(tag.utf8.count + 5))
            guard !skipping.contains(name) else { continue }
            let ours = try floats(output, name)
            let reference = try golden.doubles(tensor.name)
            let width = tensor.shape.last ?? 1
            let heads = tensor.shape.count == 4 ? tensor.shape[1] : 1
            let off = largest(ours, reference) { index in
                guard masked(name), tensor.shape.count > 2 else { return true }
                let line = index / width  // [row, head, column] or [row, column]
                let column = line % maskColumns
                return mask[line / maskColumns / heads * maskColumns + column] != 0
            }
            #expect(off <= limit * max(1, reference.map(abs).max() ?? 0), "\(name): \(off)")
            compared += 1
        }
        for tensor in golden.tensors where tensor.name.hasPrefix("\(tag).grad.f64.") {
            let name = String(tensor.name.dropFirst(tag.utf8.count + 10))
            let ours = try floats(output, "grad." + name)
            let reference = try golden.doubles(tensor.name)
            let off = norm(zip(ours, reference).map { Double($0) - $1 })
            #expect(off <= limit * norm(reference) + 1e-6, "\(name): \(off) of \(norm(reference))")
            compared += 1
        }
        return compared
    }
}
