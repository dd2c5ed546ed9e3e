import Heed
import HTTPTypes
import Hummingbird
import Logging

/// Writes server-sent events: `data: {…}`, each with an empty line behind it.
struct EventWriter {
    private var writer: any ResponseBodyWriter

    init(_ writer: any ResponseBodyWriter) { self.writer = writer }

    /// Sends an object, under the name of an event where there is one.
    mutating func send(_ json: JSON, event: String? = nil) async throws {
        var bytes: [UInt8] = []
        if let event { bytes += "event: \(event)\n".utf8 }
        bytes += "data: ".utf8
        json.write(to: &bytes)
        bytes += "\n\n".utf8
        try await writer.write(ByteBuffer(bytes: bytes))
    }

    /// Says that everything has been sent, as OpenAI's streams do.
    mutating func done() async throws { try await writer.write(ByteBuffer(string: "data: [DONE]\n\n")) }
}

extension Response {
    /// A stream of events of a job. Where the client goes, or fails to read, the job is cancelled.
    ///
    /// - Parameter saysDone: whether `[DONE]` comes last.
    static func events(
        of job: GenerationJob, saysDone: Bool = true,
        _ write: @escaping @Sendable (inout EventWriter) async throws -> Void
    ) -> Response {
        let body = ResponseBody { writer in
            defer { job.cancel() }
            var events = EventWriter(writer)
            do {
                try await write(&events)
                if saysDone { try await events.done() }
            } catch {
                if Task.isCancelled || error is CancellationError { throw error }
                // A client that has gone takes no error either.
                try await events.send(APIError(error).json, event: saysDone ? nil : "error")
            }
            try await writer.finish(nil)
        }
        return Response(
            status: .ok,
            headers: [
                .contentType: "text/event-stream; charset=utf-8", .cacheControl: "no-cache",
                .accelBuffering: "no",
            ], body: body)
    }
}
