import HeedSupport

/// What one training run wrote down.
public struct TrainingRecord: Sendable {
    /// One step, or one evaluation.
    public struct Row: Sendable {
        /// The number of the step, from 1.
        public let step: Int
        /// What was measured, by name: `loss`, `lr`, `grad_norm`, `tokens_per_second`, `validation_loss`, ….
        public let numbers: [(name: String, value: Double)]
        /// Norms of the gradient by layer, where the log has them (`--log-layers`).
        public let layers: [(name: String, norm: Double)]
        /// A text that was written there, where there is one.
        public let sample: String?

        subscript(name: String) -> Double? { numbers.first { $0.name == name }?.value }
    }

    /// What the run is called.
    public let name: String
    /// The steps in order.
    public let rows: [Row]
    /// The options that it was started with.
    public var settings: [(name: String, value: String)]

    /// Reads a log: a JSON object per line, each with its step.
    ///
    /// - Throws: `HeedError` naming file and line.
    public init(name: String, log path: String, settings: [(name: String, value: String)] = []) throws {
        let file = try InputFile.open(path)
        defer { withExtendedLifetime(file) {} }
        var rows: [Row] = []
        for (index, line) in file.bytes.split(separator: 0x0A).enumerated() {
            let place = "\(path), line \(index + 1)"
            let value = try JSON.parse(Array(line), in: place)
            guard let members = value.objectValue, let step = members["step"]?.intValue else {
                throw HeedError(
                    .badInput, "the line is none of a training log", in: place, expected: "an object with \"step\"")
            }
            let numbers = members.compactMap { name, value -> (name: String, value: Double)? in
                guard name != "step" else { return nil }
                return value.doubleValue.map { (name, $0) }
            }
            let layers = (members["layer_grad_norms"]?.objectValue ?? JSONObject()).map { name, norm in
                // What is not finite is written as null.
                (name: name, norm: norm.doubleValue ?? .nan)
            }
            rows.append(Row(step: step, numbers: numbers, layers: layers, sample: members["sample"]?.stringValue))
        }
        guard !rows.isEmpty else {
            throw HeedError(.badInput, "the log holds no step", in: path, expected: "a JSON object per line")
        }
        self.name = name
        self.rows = rows
        self.settings = settings
    }

    /// What somebody should look at: sentences without a full stop.
    public var alarms: [String] {
        var alarms: [String] = []
        func values(_ name: String) -> [(step: Int, value: Double)] {
            rows.compactMap { row in row[name].map { (row.step, $0) } }
        }
        let losses = values("loss")
        if let bad = losses.first(where: { !$0.value.isFinite }) {
            alarms.append("the loss of step \(bad.step) is not finite")
        }
        for (name, words) in [("loss", "the loss"), ("grad_norm", "the norm of the gradient")] {
            let all = values(name)
            var worst: (step: Int, times: Double) = (0, 0)
            for index in all.indices.dropFirst(8) {
                let before = all[index - 8..<index].map(\.value).sorted()[4]
                let times = before > 0 ? all[index].value / before : 0
                if times > worst.times { worst = (all[index].step, times) }
            }
            let limit = name == "loss" ? 1.5 : 5
            if worst.times > limit {
                alarms.append(
                    "\(words) jumps at step \(worst.step) to \(TrainingRecord.tenths(worst.times)) times what it was"
                        + (name == "grad_norm" ? layerOfJump(worst.step).map { ", most in \($0)" } ?? "" : ""))
            }
        }
        let checks = values("validation_loss")
        if let best = checks.min(by: { $0.value < $1.value }), let last = checks.last, last.step > best.step,
            last.value > best.value * 1.02
        {
            alarms.append(
                "the validation loss rises since step \(best.step): what is learned since then does not carry over")
        }
        if losses.count >= 40 {
            func mean(_ part: ArraySlice<(step: Int, value: Double)>) -> Double {
                part.reduce(0) { $0 + $1.value } / Double(max(part.count, 1))
            }
            let fifth = losses.count / 5
            if mean(losses.suffix(fifth)) >= mean(losses.dropLast(fifth).suffix(fifth)) {
                alarms.append("the loss falls no more in the last fifth of the run")
            }
        }
        return alarms
    }

    /// The layer whose norm grew most from the row before `step`.
    private func layerOfJump(_ step: Int) -> String? {
        guard let index = rows.firstIndex(where: { $0.step == step }), index > 0 else { return nil }
        let before = rows[index - 1].layers
        func growth(_ layer: (name: String, norm: Double)) -> Double {
            let old = before.first { $0.name == layer.name }?.norm ?? 0
            return old > 0 && layer.norm.isFinite ? layer.norm / old : 0
        }
        return rows[index].layers.max { growth($0) < growth($1) }?.name
    }

    /// The layers that the log has norms of, in its order.
    var layers: [String] { rows.first { !$0.layers.isEmpty }?.layers.map(\.name) ?? [] }

    private static func tenths(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }

    /// About so many rows, evenly spread, evaluations and the last among them: a page holds no more points than it shows.
    func thinned(to count: Int) -> [Row] {
        let step = max(1, rows.count / count)
        return rows.indices.filter { $0 % step == 0 || $0 == rows.count - 1 || rows[$0]["validation_loss"] != nil }
            .map { rows[$0] }
    }
}

extension Page {
    /// Curves, settings and alarms of runs, laid over each other.
    public init(runs: [TrainingRecord]) {
        let names = runs.map(\.name).joined(separator: ", ")
        let steps = runs.map { "\($0.name): \(grouped($0.rows.last?.step ?? 0)) steps" }.joined(separator: "; ")
        self.init(
            title: "Training of \(names)", subtitle: steps,
            data: [
                "runs": .array(
                    runs.map { run in
                        [
                            "name": .string(run.name),
                            "rows": .array(
                                run.thinned(to: 1_500).map { row in
                                    var object: JSONObject = ["step": .integer(row.step)]
                                    for (name, value) in row.numbers {
                                        object[name] = value.isFinite ? .number(value) : .null
                                    }
                                    object["sample"] = row.sample.map { .string($0) }
                                    if !row.layers.isEmpty {
                                        object["layers"] = .array(
                                            row.layers.map { $0.norm.isFinite ? .number($0.norm) : .null })
                                    }
                                    return .object(object)
                                }),
                            "layers": .array(run.layers.map { .string($0) }),
                            "settings": .array(run.settings.map { [.string($0.name), .string($0.value)] }),
                            "alarms": .array(run.alarms.map { .string($0) }),
                        ]
                    })
            ],
            script: PackageResources.training_js)
    }
}
