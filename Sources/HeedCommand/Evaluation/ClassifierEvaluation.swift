import Heed
import HeedProcessor
import HeedSupport
import HeedTexts

/// Measures a classifier on texts whose classes are known.
struct ClassifierEvaluation {
    let folder: String
    let model: Model
    let data: [String]
    let tokenizer: String?
    let context: Int?

    func run(runtime: Runtime, json: Bool) throws {
        let configuration = try model.encoder.configuration
        let classifier = try SequenceClassifier(model, longest: context, runtime: runtime)
        let reader = ClassifierTexts(
            try Tokenizer.load(path: tokenizer ?? folder), configuration, longest: classifier.longest)
        var loss = 0.0
        var right = 0
        var count = 0
        // By class: how many there are, how many were found, and how many were taken for it.
        var (present, found, taken) = (
            [Int](repeating: 0, count: classifier.labels), [Int](repeating: 0, count: classifier.labels),
            [Int](repeating: 0, count: classifier.labels)
        )
        for path in data {
            let texts = try LabelledTexts([path])
            let labels = try texts.labels(names: configuration.labelNames, count: classifier.labels)
            let encoded = try texts.encoded(reader.encode)
            let probabilities = try classifier.probabilities(encoded.map(\.ids), types: encoded.map(\.types))
            for (row, label) in zip(probabilities, labels) {
                let guess = row.indices.reduce(0) { row[$1] > row[$0] ? $1 : $0 }
                loss -= ExactMathematics.log(max(row[label], .leastNormalMagnitude))
                right += guess == label ? 1 : 0
                present[label] += 1
                taken[guess] += 1
                found[label] += guess == label ? 1 : 0
                count += 1
            }
        }
        reader.tellCuts()
        let mean = loss / Double(count)
        let accuracy = Double(right) / Double(count)
        let classes = (0..<classifier.labels).map { label in
            let both = present[label] + taken[label]
            return (name: configuration.labelName(label), f1: both > 0 ? 2 * Double(found[label]) / Double(both) : 0)
        }
        if json {
            var scores = JSONObject()
            for (name, f1) in classes { scores[name] = .number(f1) }
            try StandardOutput.writeLine([
                "loss": .number(mean), "accuracy": .number(accuracy), "texts": .integer(count), "f1": .object(scores),
            ])
            return
        }
        try StandardOutput.writeLine("accuracy        \(fixed(100 * accuracy, 2)) % of \(counted(count, "text"))")
        try StandardOutput.writeLine("loss            \(fixed(mean, 4)) nats per text")
        for (number, (name, f1)) in classes.enumerated() {
            try StandardOutput.writeLine(
                "  " + columns((name, 24), (counted(present[number], "text"), 14), ("F1 \(fixed(f1, 3))", 0)))
        }
    }
}
