import Hummingbird
import NIOConcurrencyHelpers
import NIOCore

/// A context that knows the connection of its request, so that work ends when the client goes.
public protocol ClientContext: RequestContext {
    /// The connection.
    var clientChannel: (any Channel)? { get }
    /// Whose request it is: a number for each key, or client.
    var owner: Int { get set }
}

/// The context of `heed-serve`.
public struct ServeContext: ClientContext {
    /// What Hummingbird keeps of a request.
    public var coreContext: CoreRequestContextStorage
    /// The connection; nil where there is none.
    public let clientChannel: (any Channel)?
    /// Whose request it is: a number for each key, or client.
    public var owner = 0

    /// The context of a request that came by `source`'s connection.
    public init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        clientChannel = source.channel
    }
}

/// The jobs of every open connection: they are cancelled when it closes.
final class ClientWatch: Sendable {
    private let jobs = NIOLockedValueBox<[ObjectIdentifier: [ObjectIdentifier: GenerationJob]]>([:])

    /// Runs `body` while the job belongs to a connection.
    func during<Value>(
        _ job: GenerationJob, on channel: (any Channel)?, _ body: () async throws -> Value
    ) async throws -> Value {
        guard let channel else { return try await body() }
        let key = ObjectIdentifier(channel)
        let isNew = jobs.withLockedValue { jobs in
            defer { jobs[key, default: [:]][ObjectIdentifier(job)] = job }
            return jobs[key] == nil
        }
        // One callback for a connection, whatever number of requests it has.
        if isNew {
            channel.closeFuture.whenComplete { [jobs] _ in
                let left = jobs.withLockedValue { $0.removeValue(forKey: key) } ?? [:]
                for job in left.values { job.cancel() }
            }
        }
        defer { jobs.withLockedValue { _ = $0[key]?.removeValue(forKey: ObjectIdentifier(job)) } }
        return try await body()
    }
}

/// Closes a connection when its client has closed it, so that work for it ends at once: nobody is there to read.
final class ClosedClientHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = Any

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed { context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }
}
