import HeedSupport
import TestFixtures

extension Shared {
    /// The golden files of single operations.
    static let operations: String? = given("ops")
}

/// One golden case: tensors of a safetensors file as doubles, and the figures of the JSON beside it.
struct Golden {
    struct Tensor {
        var shape: [Int]
        var values: [Double]
        var floats: [Float] { values.map { Float($0) } }
        var integers: [Int] { values.map { Int($0) } }
    }
    var tensors: [String: Tensor] = [:]
    var figures: JSON

    init(_ name: String) throws {
        let folder = Shared.operations ?? ""
        figures = try JSON.load(path: joinPath(folder, name + ".json"))
        let bytes = try readFile(joinPath(folder, name + ".safetensors"))
        var length = 0
        for i in 0..<8 { length |= Int(bytes[i]) << (8 * i) }
        let header = try JSON.parse(Array(bytes[8..<(8 + length)]))
        for (key, entry) in header.objectValue ?? [:] where key != "__metadata__" {
            let shape = (entry["shape"]?.arrayValue ?? []).compactMap(\.intValue)
            let offsets = (entry["data_offsets"]?.arrayValue ?? []).compactMap(\.intValue)
            let data = Array(bytes[(8 + length + offsets[0])..<(8 + length + offsets[1])])
            let values: [Double] = data.withUnsafeBytes { raw in
                switch entry["dtype"]?.stringValue {
                case "F64":
                    return (0..<(data.count / 8)).map { raw.loadUnaligned(fromByteOffset: 8 * $0, as: Double.self) }
                case "F32":
                    return (0..<(data.count / 4)).map {
                        Double(raw.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self))
                    }
                case "I64":
                    return (0..<(data.count / 8)).map {
                        Double(raw.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self))
                    }
                default: return data.map { Double($0) }
                }
            }
            tensors[key] = Tensor(shape: shape, values: values)
        }
    }

    subscript(_ key: String) -> Tensor { tensors[key] ?? Tensor(shape: [], values: []) }
}

/// ‖a − b‖∞ ≤ 2e-5 · max(1, ‖reference‖∞).
func agrees(_ a: [Float], _ reference: [Double]) -> Bool {
    largestDifference(a, reference) <= 2e-5 * max(1, largestMagnitude(reference))
}

/// ‖a − b‖₂ ≤ 2e-5 · ‖reference‖₂.
func gradientAgrees(_ a: [Float], _ reference: [Double]) -> Bool {
    let (difference, size) = distance(a, reference)
    return difference <= 2e-5 * size
}
