import ArgumentParser
import Heed
import HeedSupport

/// `heed diff`: how far the tensors of two models are apart.
struct Diff: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compare the weights of two models, tensor by tensor.",
        discussion: """
            heed diff model model.gguf
            heed diff first second --json

            Prints the largest and the mean absolute difference of every tensor that is not equal, and the names that \
            only one side has. A GGUF file beside another form stands under the published names. Types may differ: \
            quantised blocks are compared by the numbers that they stand for.
            """)

    @Argument(help: ArgumentHelp("A model folder or a file of weights.", valueName: "a"))
    var first: String

    @Argument(help: ArgumentHelp("The one to compare with.", valueName: "b"))
    var second: String

    @OptionGroup var output: JSONOption

    func run() throws {
        var (a, b) = (try openTensors(path: locateModel(first)), try openTensors(path: locateModel(second)))
        // Beside a file of another form a GGUF file stands under the published names, where it has such.
        if (a is GGUFFile) != (b is GGUFFile) {
            a = (a as? GGUFFile).flatMap { try? GGUFModel($0) } ?? a
            b = (b as? GGUFFile).flatMap { try? GGUFModel($0) } ?? b
        }
        let common = a.tensors.filter { b.tensor(named: $0.name) != nil }
        let onlyFirst = a.tensors.map(\.name).filter { b.tensor(named: $0) == nil }
        let onlySecond = b.tensors.map(\.name).filter { a.tensor(named: $0) == nil }
        let progress = Progress("Comparing", total: common.reduce(0) { $0 + $1.count })
        var before = 0
        var differences: [TensorDifference] = []
        for tensor in common {
            differences.append(
                try TensorDifference(tensor.name, a, b) { done in
                    try Signals.check()
                    progress.update(done: before + done)
                })
            before += tensor.count
        }
        progress.finish()
        if output.json {
            try StandardOutput.writeLine(document(differences, onlyFirst, onlySecond))
        } else {
            try write(differences, onlyFirst, onlySecond)
        }
    }

    private func document(
        _ differences: [TensorDifference], _ onlyFirst: [String], _ onlySecond: [String]
    ) -> JSON {
        /// JSON has no infinity: a difference that is none stands as null.
        func number(_ value: Double?) -> JSON { value.flatMap { $0.isFinite ? .number($0) : nil } ?? .null }
        func shape(_ extents: [Int]) -> JSON { .array(extents.map { .integer($0) }) }
        let tensors = differences.map { difference -> JSON in
            var members: JSONObject = [
                "name": .string(difference.name), "equal": .bool(difference.isEqual),
                "largest": number(difference.largest), "mean": number(difference.mean),
                "differing": .integer(difference.differing), "shape": shape(difference.shapes.first),
                "types": [.string(difference.types.first.rawValue), .string(difference.types.second.rawValue)],
            ]
            if difference.shapes.first != difference.shapes.second {
                members["other_shape"] = shape(difference.shapes.second)
            }
            return .object(members)
        }
        let isEqual = differences.allSatisfy(\.isEqual) && onlyFirst.isEmpty && onlySecond.isEmpty
        return [
            "equal": .bool(isEqual), "tensors": .array(tensors),
            "largest": number(differences.compactMap(\.largest).max() ?? 0),
            "only_in_first": .array(onlyFirst.map { .string($0) }),
            "only_in_second": .array(onlySecond.map { .string($0) }),
        ]
    }

    private func write(_ differences: [TensorDifference], _ onlyFirst: [String], _ onlySecond: [String]) throws {
        func short(_ value: Double) -> String { value == 0 ? "0" : "\(Float(value))" }
        let unequal = differences.filter { !$0.isEqual }
        let width = min(60, unequal.reduce(6) { max($0, $1.name.count) } + 2)
        if !unequal.isEmpty {
            try StandardOutput.writeLine(columns(("tensor", width), ("largest", 15), ("mean", 15), ("shape, types", 0)))
        }
        for difference in unequal {
            let types = difference.types
            let facts =
                types.first == types.second ? types.first.rawValue : "\(types.first.rawValue), \(types.second.rawValue)"
            guard let largest = difference.largest, let mean = difference.mean else {
                try StandardOutput.writeLine(
                    columns(
                        (difference.name, width),
                        ("shapes differ: \(difference.shapes.first), \(difference.shapes.second)", 0)))
                continue
            }
            try StandardOutput.writeLine(
                columns(
                    (difference.name, width), (short(largest), 15), (short(mean), 15),
                    ("\(difference.shapes.first) \(facts)", 0)))
        }
        for (names, place) in [(onlyFirst, first), (onlySecond, second)] {
            for name in names { try StandardOutput.writeLine("\(name) is in \(place) only") }
        }
        try StandardOutput.writeLine(
            "\(differences.count - unequal.count) of \(differences.count) common tensors are equal"
                + (unequal.isEmpty && onlyFirst.isEmpty && onlySecond.isEmpty ? "; nothing differs." : "."))
    }
}
