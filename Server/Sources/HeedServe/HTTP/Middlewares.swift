import Heed
import HTTPTypes
import Hummingbird
import Logging
import Metrics
import NIOCore

/// Turns every failure into OpenAI's form, counts answers, and logs each request in one line with its id.
///
/// The id is that of the client's `x-request-id` where it is sound, and stands in the answer.
struct AnswerForm<Context: ClientContext>: RouterMiddleware {
    let metrics: any MetricsFactory

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        let began = ContinuousClock.now
        let id = AnswerForm.id(request.headers[.requestID])
        var context = context
        context.logger[metadataKey: "request"] = "\(id)"
        var response: Response
        do { response = try await next(request, context) } catch is CancellationError {
            context.logger.info("client went", metadata: ["path": "\(request.uri.path)"])
            throw CancellationError()
        } catch {
            let failure = APIError(error)
            // What has to be looked into; a deadline that passed, or an end that was asked for, has not.
            if failure.status >= 500, ![.late, .ending].contains(failure) {
                context.logger.error("failed", metadata: ["error": "\(error)"])
            }
            response = failure.response
            AnswerForm.closeSoon(request, context.clientChannel)
        }
        response.headers[.requestID] = id
        response.headers[.contentTypeOptions] = "nosniff"
        let path = context.endpointPath ?? "other"
        let code = "\(response.status.code)"
        Counter(
            label: "heed_requests_total", dimensions: [("path", path), ("code", code)], factory: metrics
        ).increment()
        context.logger.info(
            "answered",
            metadata: [
                "method": "\(request.method)", "path": "\(request.uri.path)", "status": "\(code)",
                "seconds": "\((ContinuousClock.now - began).inSeconds)",
            ])
        return response
    }

    /// A refused request may leave a body that nobody reads, and with it a connection that nobody closes: it gets long
    /// enough for the client to read the answer.
    private static func closeSoon(_ request: Request, _ channel: (any Channel)?) {
        if let length = request.headers[.contentLength].flatMap(Int.init), length <= 1 << 16 { return }
        guard let channel, request.method == .post else { return }
        channel.eventLoop.scheduleTask(in: .seconds(2)) { channel.close(promise: nil) }
    }

    private static func id(_ given: String?) -> String {
        if let given, (1...128).contains(given.utf8.count),
            given.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        {
            return given
        }
        return "req_" + AnswerHead.random()
    }
}

/// Lets in who has a key.
struct KeyCheck<Context: ClientContext>: RouterMiddleware {
    let keys: APIKeys

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        var context = context
        if keys.isEmpty {
            // Without keys clients take turns by their addresses.
            context.owner = context.clientChannel?.remoteAddress?.ipAddress?.hashValue ?? 0
            return try await next(request, context)
        }
        guard let owner = keys.owner(ofAuthorization: request.headers[.authorization]) else {
            let given = request.headers[.authorization] != nil
            throw APIError(
                401, given ? "Incorrect API key provided." : "You didn't provide an API key.",
                code: given ? "invalid_api_key" : nil)
        }
        context.owner = owner
        return try await next(request, context)
    }
}

extension HTTPField.Name {
    static let requestID = HTTPField.Name("x-request-id") ?? .eTag
    static let accelBuffering = HTTPField.Name("x-accel-buffering") ?? .eTag
    static let contentTypeOptions = HTTPField.Name("x-content-type-options") ?? .eTag
    static let receipt = HTTPField.Name("x-heed-receipt") ?? .eTag
}
