#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import HeedSupport
import HeedWeights

/// One buffer of numbers that a resumed run needs: weights, first or second moments.
public struct StateTensor {
    /// The name within the state.
    public let name: String
    /// The extents.
    public let shape: [Int]
    /// The numbers; the owner keeps them alive and unchanged during a call.
    public let values: UnsafeMutableBufferPointer<Float>

    /// A buffer under a name.
    public init(_ name: String, shape: [Int], _ values: UnsafeMutableBufferPointer<Float>) {
        self.name = name
        self.shape = shape
        self.values = values
    }
}

/// Saves a run so that it can be killed at any moment and go on to the same bits.
///
/// The folder holds the public model (`config.json`, tokenizer files, `model.safetensors`), which any program may load,
/// and `training_state.safetensors`, which belongs to resuming alone: step, options, fingerprint of the data, and the
/// weights and both moments of that step **in one file**.
///
/// A save is:
/// 1. the model's small files, then `model.safetensors`: each written beside its place, synchronised, renamed; where
///    weights are kept for averaging, a second name for them;
/// 2. `training_state.safetensors`: written beside its place, synchronised, renamed. *This rename is the save.*
///
/// Whatever the moment of a kill, each file is whole, since it appears by rename only, and the state is of one step,
/// since it is one file. Killed before the rename of 2, the run resumes from the save before and publishes the same
/// model once more when it comes to that step again; killed after it, nothing is missing. So a state whose step is the
/// last one implies that its model was published, and a finished run has nothing to do. No order of writes has to be
/// mended at the start; all that a kill can leave behind is a temporary file, which opening the store removes. It may do
/// so because it holds a lock on the folder, which ends with the process and leaves no file.
///
/// The price is that the weights stand in both files, 4 bytes of 16 for each parameter.
public final class CheckpointStore {
    /// The folder.
    public let folder: String
    /// Is told each moment between two operations on files; tests look at what a kill would leave there.
    package var observer: ((String) -> Void)?
    private let lock: Int32

    private static let stateName = "training_state.safetensors"
    private static let metadataKey = "heed_training_state"

    /// Opens the folder for one run, makes it where it is missing, and removes what a killed run left behind.
    ///
    /// - Throws: `HeedError` when another process trains into the folder, or it cannot be made.
    public init(folder: String) throws {
        self.folder = folder
        try createDirectory(folder)
        lock = open(folder, O_RDONLY | O_CLOEXEC)
        if lock >= 0, flock(lock, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
            close(lock)
            throw HeedError(
                .io, "another process is training into this folder", in: folder,
                advice: "Wait for it, or choose another --output")
        }
        try CheckpointStore.removeTemporaries(in: folder)
    }

    deinit { if lock >= 0 { close(lock) } }

    /// The last save, or nil when there is none.
    ///
    /// - Throws: `HeedError` naming the file when it is no state of a run.
    public func load() throws -> SavedState? {
        let path = joinPath(folder, CheckpointStore.stateName)
        guard fileExists(path) else { return nil }
        let file = try SafetensorsFile(path: path)
        guard let text = file.metadata[CheckpointStore.metadataKey] else {
            throw HeedError(.badInput, "the file is not the state of a training run", in: path)
        }
        return try SavedState(file, JSON.parse(text, in: path))
    }

    /// Saves the run at `state.step`.
    ///
    /// - Parameters:
    ///   - tensors: weights and moments.
    ///   - count: how many of the last published weights to keep beside, for averaging.
    ///   - publish: writes the public model into the folder, each file by rename, `model.safetensors` last.
    /// - Throws: `HeedError` when the disk is full or the folder is gone; the save before is then still whole.
    public func save(
        _ state: TrainingState, _ tensors: [StateTensor], keeping count: Int = 0, publish: (String) throws -> Void
    ) throws {
        observer?("before the model")
        try publish(folder)
        observer?("after the model")
        if count > 0 { try keepWeights(step: state.step, last: count) }
        let observer = observer
        let list = tensors.map { tensor in
            TensorToWrite("\(tensor.name)", .f32, shape: tensor.shape) { writer in
                observer?("within the state, before \(tensor.name)")
                try writer.append(UnsafeBufferPointer(tensor.values))
            }
        }
        try writeSafetensors(
            path: joinPath(folder, CheckpointStore.stateName), list,
            metadata: [CheckpointStore.metadataKey: state.json.serialised()])
        observer?("after the state")
    }

    /// The kept weights, oldest first.
    public func keptWeights() throws -> [String] {
        let kept = joinPath(folder, "checkpoints")
        guard isDirectory(kept) else { return [] }
        return try listDirectory(kept).filter { $0.hasPrefix("step-") && $0.hasSuffix(".safetensors") }
            .map { joinPath(kept, $0) }
    }

    /// Forgets that the run was ever saved, for a run that begins anew in the same folder.
    public func forget() throws {
        try removeFile(joinPath(folder, CheckpointStore.stateName))
        for path in try keptWeights() { try removeFile(path) }
    }

    /// Removes temporaries of a killed writer: `NAME.tmp-PROCESS-NUMBER`, of any name or of the one given.
    public static func removeTemporaries(in folder: String, of name: String? = nil) throws {
        for entry in try listDirectory(folder) where isTemporary(entry) {
            if let name, !entry.hasPrefix(name + ".tmp-") { continue }
            try removeFile(joinPath(folder, entry))
        }
    }

    /// Keeps the weights just published as `checkpoints/step-N.safetensors`, and no more than the last `count` of these.
    ///
    /// The kept file is a second name of the same bytes, so it costs no time; where the file system has no such names
    /// nothing is kept.
    private func keepWeights(step: Int, last count: Int) throws {
        let kept = joinPath(folder, "checkpoints")
        try createDirectory(kept)
        let path = joinPath(kept, CheckpointStore.keptName(step))
        try removeFile(path)
        observer?("before the kept weights")
        guard link(joinPath(folder, "model.safetensors"), path) == 0 else { return }
        observer?("after the kept weights")
        for path in try keptWeights().dropLast(count) { try removeFile(path) }
    }

    private static func isTemporary(_ name: String) -> Bool {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count >= 2, let last = parts.last, last.hasPrefix("tmp-") else { return false }
        let numbers = last.dropFirst(4).split(separator: "-", omittingEmptySubsequences: false)
        return numbers.count == 2
            && numbers.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy { $0 >= 48 && $0 <= 57 } }
    }

    private static func keptName(_ step: Int) -> String {
        let digits = String(step)
        return "step-" + String(repeating: "0", count: max(0, 9 - digits.count)) + digits + ".safetensors"
    }
}
