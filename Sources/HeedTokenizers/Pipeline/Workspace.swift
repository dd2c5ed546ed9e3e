import Synchronization

/// The memory that one thread needs while it encodes.
final class Workspace {
    private var byteEncoder: ByteEncoder?
    var scratch = MergeScratch()

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
