import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor
import HeedWeights

/// What a run goes on from: weights, both moments and where it stood, all of the same step, in one file.
struct RunState: Equatable {
    /// The last finished step.
    var step: Int
    /// Whether the run had ended.
    var isFinished: Bool
    /// The best validation loss and how many measurements ago it was, for early stopping.
    var best: Double?
    var waited: Int
    /// Means over the last steps, where the noise is measured.
    var noise = GradientNoise()
    /// What the bits of the run depend on, by option.
    var identity: JSONObject

    private static let format = "heed training state 2"

    /// Writes the state with the numbers of `model` and what the optimiser remembers, by rename.
    ///
    /// What is frozen is in the model that the run began with.
    func write(path: String, _ model: Model, _ memory: OptimiserMemory) throws {
        let count = model.weights.layout.trained
        let numbers = try model.weights.all()
        var metadata = [
            "format": RunState.format, "step": String(step), "finished": isFinished ? "yes" : "no",
            "waited": String(waited), "options": JSON.object(identity).serialised(),
            "layout": RunState.fingerprint(of: model.weights.layout),
        ]
        if noise != GradientNoise() { metadata["noise"] = "\(noise.signal.bitPattern) \(noise.noise.bitPattern)" }
        if let best { metadata["best"] = String(best.bitPattern) }
        let sum = StateChecksum()
        let parameters = TensorToWrite("parameters", .f32, shape: [count]) { writer in
            let bytes = UnsafeRawBufferPointer(start: numbers.base, count: count * 4)
            sum.add(bytes)
            try writer.append(raw: bytes)
        }
        try writeSafetensors(
            path: path, [parameters] + memory.tensors(count: count, sum) + [sum.tensor], metadata: metadata)
    }

    /// Opens a state and holds its numbers against its checksum.
    ///
    /// - Throws: `HeedError` naming the file where it is damaged or no state of this model.
    static func check(_ path: String, _ layout: ParameterLayout) throws -> (SafetensorsFile, RunState) {
        let file = try SafetensorsFile(path: path)
        let state = try RunState(file, layout)
        try StateChecksum.verify(file)
        return (file, state)
    }

    /// Reads what a state says of itself.
    ///
    /// - Throws: `HeedError` naming the file when it is no state of this model.
    init(_ file: SafetensorsFile, _ layout: ParameterLayout) throws {
        let text = file.metadata
        guard text["format"] == RunState.format, let step = text["step"].flatMap({ Int($0) }), step >= 0,
            let options = text["options"], let identity = try JSON.parse(options, in: file.place).objectValue
        else {
            throw HeedError(
                .badInput, "this is no state of a training run, or of another version", in: file.place,
                advice: "Train into another `output`, or start anew with `overwrite`.")
        }
        guard text["layout"] == RunState.fingerprint(of: layout) else {
            throw HeedError(
                .badInput, "the saved run trained a model of another shape", in: file.place,
                advice: "Give the same `initial`, `preset` or `config` (and tokenizer) as before, or another `output`.")
        }
        self.step = step
        self.identity = identity
        isFinished = text["finished"] == "yes"
        best = text["best"].flatMap { UInt64($0) }.map { Double(bitPattern: $0) }
        waited = text["waited"].flatMap { Int($0) } ?? 0
        let means = (text["noise"] ?? "").split(separator: " ").compactMap { UInt64($0) }
        if means.count == 2 {
            (noise.signal, noise.noise) = (Double(bitPattern: means[0]), Double(bitPattern: means[1]))
        }
    }

    init(
        step: Int, isFinished: Bool, best: Double?, waited: Int, noise: GradientNoise = GradientNoise(),
        identity: JSONObject
    ) {
        self.step = step
        self.isFinished = isFinished
        self.best = best
        self.waited = waited
        self.noise = noise
        self.identity = identity
    }

    /// Reads the numbers of a state into `model` and what the optimiser remembers.
    static func read(_ file: SafetensorsFile, _ model: Model, _ memory: OptimiserMemory) throws {
        let count = model.weights.layout.trained
        let tensor = try file.required("parameters", shape: [count])
        let numbers = try model.weights.all()
        try file.withBytes(of: tensor) { bytes in
            UnsafeMutableRawBufferPointer(start: numbers.base, count: count * 4).copyMemory(from: bytes)
        }
        try memory.read(file, count: count)
    }

    /// The steps that the run was to have, where the schedule depends on them and they are others now.
    func formerSteps(now: JSONObject) -> Int? {
        guard let before = identity["steps"]?.intValue, let steps = now["steps"]?.intValue else { return nil }
        return before == steps ? nil : before
    }

    /// Throws where an option has another value than in the saved run, naming the option. A run may become longer or
    /// shorter, but not shorter than it is.
    func requireSame(_ now: JSONObject, place: String) throws {
        for name in now.keys + identity.keys where now[name] != identity[name] {
            if name == "steps", now[name]?.intValue ?? 0 >= step || (isFinished && now[name] != nil) { continue }
            if name == "data" {
                throw HeedError(
                    .usage, "`data` (or `validation` FRACTION) gives other tokens than the run that was saved",
                    in: place, advice: "Give the same files to `resume`, or another `output`.")
            }
            func shown(_ value: JSON?) -> String { value.map { $0.isNull ? "none" : $0.serialised() } ?? "none" }
            let what = name == "batch" ? "`batch` times `accumulate`" : "`\(name)`"
            throw HeedError(
                .usage, "\(what) differs from the run that was saved at step \(step)", in: place,
                expected: shown(identity[name]), got: shown(now[name]),
                advice: "Give the same options to `resume`, or another `output`.")
        }
    }

    /// Names, shapes and places of all parameters, condensed.
    private static func fingerprint(of layout: ParameterLayout) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        func mix(_ text: String) {
            for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        }
        for parameter in layout.parameters {
            mix("\(parameter.name)\(parameter.shape)@\(layout.offset(of: parameter));")
        }
        return String(hash, radix: 16)
    }
}
