#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import HeedModels
import HeedProcessor
import HeedSupport
import HeedTensor
import HeedWeights

/// The folder that a run writes: a model, and beside it what resuming needs.
///
/// `DIR/training/state.safetensors` holds weights, moments and step of one moment. A save is
/// 1. the state, written under another name and renamed: this commits the step;
/// 2. `config.json`, `generation_config.json`, the tokenizer's files (the first time) and `model.safetensors`, each by
///    rename, made from what was just committed.
///
/// So whenever the process dies, the state is that of one whole step, every public file is whole, and a resumed run
/// first completes step 2. Files that a dead process was still writing (`NAME.tmp-…`) are removed then. The folder is
/// locked while a run writes it.
final class RunFolder {
    let path: String
    /// Called before each file operation with its name; tests throw here what a kill would do.
    var beforeOperation: ((String) throws -> Void)?
    let tokenizerFiles: ((String) throws -> Void)?
    /// Whether the folder's former model, of whatever kind, goes when the first save is published.
    var replacesModel = false
    /// What is published in the place of the weights, where there is one.
    var mean: RunningMean?
    private var lock: Int32 = -1
    private var madeFolder = false
    private var wroteDescription = false

    private let weightsFile: String

    /// - Parameters:
    ///   - weightsFile: the name of the public file of weights.
    ///   - tokenizerFiles: writes the tokenizer's files into a folder.
    init(path: String, weightsFile: String = "model.safetensors", tokenizerFiles: ((String) throws -> Void)?) {
        self.path = path
        self.weightsFile = weightsFile
        self.tokenizerFiles = tokenizerFiles
    }

    deinit { if lock >= 0 { close(lock) } }

    var stateFolder: String { joinPath(path, "training") }
    var statePath: String { joinPath(stateFolder, "state.safetensors") }
    /// The state of the save before.
    private var earlierPath: String { joinPath(stateFolder, "state-before.safetensors") }
    /// What was wrong with the last save, where the one before it was used.
    private(set) var damage: HeedError?
    var modelPath: String { joinPath(path, weightsFile) }

    var holdsState: Bool { fileExists(statePath) || fileExists(earlierPath) }

    /// Makes the folder where it is missing, takes the lock and removes what a killed run left half written.
    ///
    /// - Throws: `HeedError` when another process trains into the folder.
    func open() throws {
        madeFolder = !isDirectory(path)
        try createDirectory(path)
        lock = Self.openDirectory(path)
        guard lock >= 0 else { throw HeedError(.io, "cannot open the folder", in: path) }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            throw HeedError(
                .io, "another process is training into this folder", in: path,
                advice: "Wait for it, or choose another `output`.")
        }
        try sweep()
    }

    /// Removes the folder again where nothing came of the run.
    func abandon() {
        guard madeFolder, !holdsState else { return }
        try? removeTree(stateFolder)
        rmdir(path)
    }

    /// Removes the state of an earlier run.
    func removeState() throws {
        try removeFile(statePath)
        try removeFile(earlierPath)
    }

    /// Saves everything; see the type's description.
    func save(_ state: RunState, _ model: Model, _ memory: OptimiserMemory) throws {
        try createDirectory(stateFolder)
        try beforeOperation?("state")
        // A second name for the last save: both are whole at every moment. Without links there is only one.
        try removeFile(earlierPath)
        link(statePath, earlierPath)
        try state.write(path: statePath, model, memory)
        try publish(model)
    }

    /// Writes the public files from the numbers of `model`.
    func publish(_ model: Model) throws {
        if !wroteDescription {
            if replacesModel {
                try ModelFolderFiles.removeModel(from: path)
                try removeKept()
            }
            try beforeOperation?("configuration")
            try model.saveTrainedConfiguration(folder: path)
            try beforeOperation?("tokenizer")
            try tokenizerFiles?(path)
            wroteDescription = true
        }
        try beforeOperation?("model")
        mean?.exchange()
        defer { mean?.exchange() }
        try model.writeTrained(path: modelPath)
        try beforeOperation?("end")
    }

    /// Reads the state, completes a save that was cut short, and returns where the run stands.
    func restore(_ model: Model, _ memory: OptimiserMemory, identity: JSONObject) throws -> RunState {
        let state = try wholeState(model, memory, identity: identity)
        // A finished run may have published the mean of its last saves instead.
        if try averagedStep() != state.step, try !isPublished(model) { try publish(model) }
        return state
    }

    /// The last state, or where it is damaged the one before, which takes its place.
    private func wholeState(
        _ model: Model, _ memory: OptimiserMemory, identity: JSONObject
    ) throws -> RunState {
        do {
            return try state(model, memory, identity: identity)
        } catch let error as HeedError where [.badInput, .missing, .io].contains(error.kind) && fileExists(earlierPath)
        {
            guard (try? RunState.check(earlierPath, model.weights.layout)) != nil else { throw error }
            damage = error
            guard rename(earlierPath, statePath) == 0 else { throw error }
            return try state(model, memory, identity: identity)
        }
    }

    /// Reads the state and returns where the run stands.
    func state(_ model: Model, _ memory: OptimiserMemory, identity: JSONObject) throws -> RunState {
        let (file, state) = try RunState.check(statePath, model.weights.layout)
        try state.requireSame(identity, place: path)
        try RunState.read(file, model, memory)
        return state
    }

    /// Reads the last save before `step` and returns its step; nil where there is none.
    func readState(
        before step: Int, _ model: Model, _ memory: OptimiserMemory, identity: JSONObject
    ) throws -> Int? {
        for path in [statePath, earlierPath] where fileExists(path) {
            let (file, state) = try RunState.check(path, model.weights.layout)
            guard state.step < step else { continue }
            try state.requireSame(identity, place: path)
            try RunState.read(file, model, memory)
            return state.step
        }
        return nil
    }

    /// Whether the public files are there and hold exactly these weights.
    private func isPublished(_ model: Model) throws -> Bool {
        mean?.exchange()
        defer { mean?.exchange() }
        let said = model.adapter == nil ? ["config.json", "generation_config.json"] : ["adapter_config.json"]
        guard said.allSatisfy({ fileExists(joinPath(path, $0)) }),
            let file = try? SafetensorsFile(path: modelPath)
        else { return false }
        let numbers = try model.weights.all()
        for tensor in model.trainedTensors {
            guard let stored = file.tensor(named: tensor.name), stored.shape == tensor.storedShape, stored.type == .f32
            else { return false }
            let same = try tensor.stored(in: numbers).withUnsafeBytes { ours in
                try file.withBytes(of: stored) { theirs in
                    guard let a = ours.baseAddress, let b = theirs.baseAddress else {
                        return ours.count == theirs.count
                    }
                    return ours.count == theirs.count && memcmp(a, b, ours.count) == 0
                }
            }
            if !same { return false }
        }
        return true
    }

    /// Removes files that a process was writing when it died.
    private func sweep() throws {
        for folder in [path, stateFolder] where isDirectory(folder) {
            for name in try listDirectory(folder) where isTemporaryName(name) {
                try removeFile(joinPath(folder, name))
            }
        }
    }

    /// Removes what a killed run left beside the file at `path`.
    static func sweep(beside path: String) throws {
        let folder = parentPath(path)
        guard isDirectory(folder) else { return }
        let name = lastPathComponent(path)
        for other in try listDirectory(folder) where other.hasPrefix(name + ".tmp-") && isTemporaryName(other) {
            try removeFile(joinPath(folder, other))
        }
    }

    private static func openDirectory(_ path: String) -> Int32 {
        #if canImport(Darwin)
            Darwin.open(path, O_RDONLY | O_CLOEXEC)
        #elseif canImport(Musl)
            Musl.open(path, O_RDONLY | O_CLOEXEC)
        #else
            Glibc.open(path, O_RDONLY | O_CLOEXEC)
        #endif
    }
}
