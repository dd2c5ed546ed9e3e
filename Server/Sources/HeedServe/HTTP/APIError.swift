import Heed
import HTTPTypes
import Hummingbird

/// A failure as OpenAI's clients read it: `{"error": {"message", "type", "param", "code"}}`.
public struct APIError: Error, Sendable, Equatable {
    /// The status of the answer.
    public let status: Int
    /// What went wrong, in sentences.
    public let message: String
    /// Which kind of failure it is, such as `invalid_request_error`.
    public let type: String
    /// The member of the request that is to blame.
    public let param: String?
    /// A word for programs.
    public let code: String?
    /// After how many seconds to try again.
    public let retryAfter: Int?

    /// A failure from its parts.
    public init(
        _ status: Int, _ message: String, type: String = "invalid_request_error", param: String? = nil,
        code: String? = nil, retryAfter: Int? = nil
    ) {
        self.status = status
        self.message = message
        self.type = type
        self.param = param
        self.code = code
        self.retryAfter = retryAfter
    }

    /// Any error as a client may see it: what is wrong with its request, but nothing of the machine.
    init(_ error: any Error) {
        switch error {
        case let error as APIError: self = error
        case let error as HeedError:
            switch error.kind {
            case .usage, .badInput, .unsupported, .missing: self.init(400, error.description)
            case .numeric: self.init(500, error.description, type: "server_error", code: "not_finite")
            case .io, .interrupted: self = .internalError
            }
        case let error as HTTPError:
            let code = error.status.code
            let message =
                switch code {
                case 404: "There is nothing at this path."
                case 405: "The path does not take this method."
                case 413: "The body is larger than this server takes."
                default: error.body ?? error.status.reasonPhrase
                }
            self.init(code, message, type: code < 500 ? "invalid_request_error" : "server_error")
        default: self = .internalError
        }
    }

    static let internalError = APIError(500, "The server failed.", type: "server_error", code: "internal_error")
    static let ending = APIError(503, "The server is ending.", type: "server_error", code: "ending", retryAfter: 1)
    static let late = APIError(
        504, "The deadline has passed.", type: "server_error", code: "deadline_exceeded")
    static let tooLarge = APIError(
        413, "The body is larger than this server takes.", code: "request_too_large")

    static func busy(retryAfter: Int) -> APIError {
        APIError(
            429, "Too many requests are waiting; try again later.", type: "rate_limit_error", code: "queue_full",
            retryAfter: retryAfter)
    }

    static func wrong(_ param: String, _ expected: String, got: String) -> APIError {
        APIError(400, "Invalid value for '\(param)': expected \(expected), got \(got).", param: param)
    }

    /// The body of the answer.
    var json: JSON {
        [
            "error": [
                "message": .string(message), "type": .string(type), "param": param.map { .string($0) } ?? .null,
                "code": code.map { .string($0) } ?? .null,
            ]
        ]
    }

    /// The answer.
    var response: Response {
        var response = Response(json, status: HTTPResponse.Status(code: status))
        if let retryAfter { response.headers[.retryAfter] = "\(retryAfter)" }
        if status == 401 { response.headers[.wwwAuthenticate] = "Bearer" }
        if status == 413 { response.headers[.connection] = "close" }
        return response
    }
}

extension Response {
    /// A JSON body.
    init(_ json: JSON, status: HTTPResponse.Status = .ok) {
        self.init(
            status: status, headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: json.serialisedBytes())))
    }
}
