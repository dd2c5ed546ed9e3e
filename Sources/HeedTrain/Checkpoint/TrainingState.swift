import HeedSupport
import HeedWeights

/// What a resumed run must know beside its numbers.
public struct TrainingState: Sendable, Equatable {
    /// Steps done.
    public var step: Int
    /// Tokens read so far.
    public var tokens: Int
    /// The options that decide the bits, by their names on the command line.
    public var options: JSONObject
    /// A number that changes with the data.
    public var dataFingerprint: UInt64
    /// Best validation loss so far, and evaluations since.
    public var bestValidationLoss: Double?
    /// Evaluations without improvement.
    public var evaluationsWithoutGain: Int

    /// The state after `step` steps.
    public init(
        step: Int, tokens: Int, options: JSONObject, dataFingerprint: UInt64, bestValidationLoss: Double? = nil,
        evaluationsWithoutGain: Int = 0
    ) {
        self.step = step
        self.tokens = tokens
        self.options = options
        self.dataFingerprint = dataFingerprint
        self.bestValidationLoss = bestValidationLoss
        self.evaluationsWithoutGain = evaluationsWithoutGain
    }

    var json: JSON {
        [
            "version": 1, "step": .integer(step), "tokens": .integer(tokens), "options": .object(options),
            "data": .string(String(dataFingerprint, radix: 16)),
            "best_validation_loss": bestValidationLoss.map { .number($0) } ?? nil,
            "evaluations_without_gain": .integer(evaluationsWithoutGain),
        ]
    }

    init(_ json: JSON, in place: String) throws {
        guard json["version"]?.intValue == 1, let step = json["step"]?.intValue, step >= 0,
            let tokens = json["tokens"]?.intValue, let options = json["options"]?.objectValue,
            let data = json["data"]?.stringValue.flatMap({ UInt64($0, radix: 16) })
        else {
            throw HeedError(
                .badInput, "the state of the run cannot be read", in: place, expected: "a state of version 1",
                advice: "It may be of another version of Heed; begin anew without --resume")
        }
        self.init(
            step: step, tokens: tokens, options: options, dataFingerprint: data,
            bestValidationLoss: json["best_validation_loss"]?.doubleValue,
            evaluationsWithoutGain: json["evaluations_without_gain"]?.intValue ?? 0)
    }

    /// Refuses to go on with other options or data than before.
    ///
    /// - Throws: `HeedError` of kind `usage` naming the first option that differs, with both values.
    public func check(against options: JSONObject, dataFingerprint: UInt64, in folder: String) throws {
        for (name, value) in options {
            guard let before = self.options[name] else { continue }
            if !TrainingState.same(before, value) {
                throw HeedError(
                    .usage, "the run was begun with another value, so it would not end in the same bits",
                    in: "\(name) of the run in \(folder)", expected: before.serialised(), got: value.serialised(),
                    advice: "Give the value of before, or begin anew without --resume in another --output")
            }
        }
        if dataFingerprint != self.dataFingerprint {
            throw HeedError(
                .usage, "the run was begun with other data, so it would not end in the same bits",
                in: "--data of the run in \(folder)",
                advice: "Give the data of before in the same order, or begin anew without --resume in another --output")
        }
    }

    /// A whole number comes back from JSON as an integer.
    private static func same(_ left: JSON, _ right: JSON) -> Bool {
        if let one = left.doubleValue, let other = right.doubleValue { return one == other }
        return left == right
    }
}

/// A save that was found.
public struct SavedState {
    /// Step, options and data of the save.
    public let state: TrainingState
    private let file: SafetensorsFile

    init(_ file: SafetensorsFile, _ json: JSON) throws {
        self.file = file
        state = try TrainingState(json, in: file.place)
    }

    /// Reads weights and moments back.
    ///
    /// - Throws: `HeedError` naming file and tensor when the run had other tensors.
    public func read(into tensors: [StateTensor]) throws {
        for tensor in tensors {
            _ = try file.required(tensor.name, shape: tensor.shape, reason: "as the model has it")
            try file.read(tensor.name, shape: tensor.shape, into: tensor.values)
        }
        guard file.tensors.count == tensors.count else {
            throw HeedError(
                .badInput, "the run was begun with another model", in: file.place,
                expected: "\(tensors.count) tensors", got: "\(file.tensors.count)")
        }
    }
}
