import Synchronization

/// The memory that one thread needs while it encodes.
final class Workspace {
    private var byteEncoder: ByteEncoder?
    var scratch = MergeScratch()
    var merging = PieceMerging.Workspace()
    /// What pieces of the pre-tokenizer were last cut into.
    private(set) lazy var pieces = WordMemory()
    private(set) lazy var unigramMemory = UnigramMemory()
    private var words: (recognising: WordMemory?, ignoring: WordMemory?) = (nil, nil)

    /// The words met so far, kept apart by whether special tokens in them are recognised.
    func words(_ recognisesSpecialTokens: Bool) -> WordMemory {
        if let memory = recognisesSpecialTokens ? words.recognising : words.ignoring { return memory }
        let memory = WordMemory()
        if recognisesSpecialTokens { words.recognising = memory } else { words.ignoring = memory }
        return memory
    }

    /// The encoder of a byte-level model; it keeps its cache between texts.
    func byteEncoder(for model: BPEModel) -> ByteEncoder {
        if let byteEncoder { return byteEncoder }
        let encoder = ByteEncoder(model: model)
        byteEncoder = encoder
        return encoder
    }
}

/// Workspaces that are not in use: as many as there were threads at one time, at most.
final class WorkspacePool: @unchecked Sendable {
    // Unchecked: a workspace is in the pool or with one caller, never both; the lock guards the list.
    private let lock = Mutex<Void>(())
    private var free: [Workspace] = []
    private static let most = 64

    func take() -> Workspace? {
        lock.withLock { _ in free.popLast() }
    }

    func giveBack(_ workspace: Workspace) {
        lock.withLock { _ in
            if free.count < WorkspacePool.most { free.append(workspace) }
        }
    }
}
