import Heed
import HTTPTypes
import Hummingbird
import Logging
import Metrics
import NIOCore
import Synchronization

/// The OpenAI protocol over models: routes for a Hummingbird router.
///
/// ```swift
/// let router = Router(context: ServeContext.self)
/// HeedServer(shelf: shelf, metrics: metrics).addRoutes(to: router)
/// ```
public final class HeedServer: Sendable {
    /// The version that answers name.
    public static let version = "0.1.0"

    let shelf: ModelShelf
    let options: ServerOptions
    let keys: APIKeys
    let metrics: PrometheusMetrics
    let watch = ClientWatch()
    private let ending = Atomic<Bool>(false)

    /// A server of these models.
    ///
    /// - Parameters:
    ///   - metrics: what `/metrics` tells, and the engine's figures should go to.
    ///   - keys: who is let in; everybody where there are none.
    public init(shelf: ModelShelf, metrics: PrometheusMetrics, keys: APIKeys, options: ServerOptions = ServerOptions())
    {
        self.shelf = shelf
        self.metrics = metrics
        self.keys = keys
        self.options = options
    }

    /// From now on `/ready` says no, and new work is refused.
    public func beginEnding() {
        ending.store(true, ordering: .relaxed)
        shelf.engine.drain()
    }

    /// Adds all routes.
    public func addRoutes<Context: ClientContext>(to router: some RouterMethods<Context>) {
        let all = router.group().add(middleware: AnswerForm<Context>(metrics: metrics))
        all.get("/health") { _, _ in Response(["status": "ok"]) }
        all.get("/ready") { [self] _, _ in
            if ending.load(ordering: .relaxed) { throw APIError.ending }
            return Response(["status": "ready"])
        }
        if options.hasPage {
            all.get("/") { _, _ in HeedServer.page }
        }
        let known = all.group().add(middleware: KeyCheck<Context>(keys: keys))
        known.get("/metrics") { [self] _, _ in
            Response(
                status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: metrics.text())))
        }
        known.get("/v1/models") { [self] _, _ in
            Response(["object": "list", "data": .array(shelf.all.map(\.json))])
        }
        known.get("/v1/models/{model}") { [self] _, context in
            Response(try shelf.model(context.parameters.get("model")).json)
        }
        func post(_ path: RouterPath, _ answer: @escaping @Sendable (RequestFields, Context) async throws -> Response) {
            known.post(path) { [self] request, context in
                try await answer(try await fields(of: request), context)
            }
        }
        post("/v1/completions") { [self] in
            let request = try CompletionRequest($0, shelf: shelf, owner: $1.owner, deadline: deadline)
            return try await run(CompletionAnswer(request), $1)
        }
        post("/v1/chat/completions") { [self] in
            let request = try ChatRequest($0, shelf: shelf, owner: $1.owner, deadline: deadline)
            return try await run(ChatAnswer(request), $1)
        }
        post("/v1/responses") { [self] in
            let request = try ResponseRequest($0, shelf: shelf, owner: $1.owner, deadline: deadline)
            return try await run(ResponseAnswer(request), $1)
        }
        post("/v1/embeddings") { [self] in try await embed($0, $1) }
        post("/tokenize") { [self] fields, _ in try tokenize(fields) }
        post("/detokenize") { [self] fields, _ in try detokenize(fields) }
        post("/explain") { [self] fields, _ in
            let request = try ExplainRequest(fields, shelf: shelf)
            let engine = shelf.engine
            return Response(try await engine.perform { try request.answer(engine.runtime) })
        }
    }

    // MARK: - Bodies

    private func fields(of request: Request) async throws -> RequestFields {
        if let length = request.headers[.contentLength].flatMap(Int.init), length > options.maximumBody {
            throw APIError.tooLarge
        }
        let buffer: ByteBuffer
        do { buffer = try await request.body.collect(upTo: options.maximumBody) } catch is NIOTooManyBytesError {
            throw APIError.tooLarge
        } catch {
            throw APIError(400, "The body ended early.")
        }
        return try RequestFields(body: Array(buffer.readableBytesView))
    }

    private var deadline: ContinuousClock.Instant? { options.timeout.map { .now + .seconds($0) } }

    // MARK: - Answers

    /// Hands an answer's job to the engine and answers with what comes of it.
    private func run(_ answer: some JobAnswer, _ context: some ClientContext) async throws -> Response {
        let (job, model) = (answer.job, answer.model)
        for length in Set(job.choices.map(\.prompt.ids.count)) {
            _ = try job.options.forPrompt(of: length, context: model.contextLength)
        }
        try shelf.engine.submit(job, to: try model.generation())
        if answer.streams {
            let channel = context.clientChannel
            return .events(of: job, saysDone: answer.saysDone) { [watch] events in
                try await watch.during(job, on: channel) { try await answer.write(to: &events) }
            }
        }
        let collected = try await watch.during(job, on: context.clientChannel) { try await job.collect() }
        return Response(await answer.whole(collected))
    }

    private func embed(_ fields: RequestFields, _ context: some ClientContext) async throws -> Response {
        let request = try EmbeddingRequest(fields, shelf: shelf)
        return Response(request.answer(try await request.lane.embed(request.texts, in: shelf.engine)))
    }

    /// `{"model", "prompt" or "content" or "messages"}` → `{"tokens", "count", "max_model_len"}`, as vLLM and llama.cpp
    /// have it.
    private func tokenize(_ fields: RequestFields) throws -> Response {
        try fields.refuseUnknown([
            "model", "prompt", "content", "messages", "tools", "add_special_tokens", "add_special",
            "add_generation_prompt", "chat_template_kwargs", "return_token_strs", "with_pieces",
        ])
        let model = try shelf.model(try fields.string("model"))
        var tokenizer = try model.tokenizer.get()
        tokenizer.padding = nil
        tokenizer.truncation = nil
        let ids: [Int32]
        if fields.has("messages") {
            ids = try model.chat.ids(try ChatRequest.conversation(fields))
        } else {
            guard let text = try fields.string("prompt") ?? fields.string("content") else {
                throw APIError.wrong("prompt", "a text", got: "nothing")
            }
            let adds = try fields.bool("add_special_tokens") ?? fields.bool("add_special") ?? true
            ids = try tokenizer.encode(text, addingSpecialTokens: adds).ids
        }
        var answer: JSONObject = [
            "tokens": .array(ids.map { .integer(Int($0)) }), "count": .integer(ids.count),
            "max_model_len": .integer(model.contextLength),
        ]
        if try fields.bool("return_token_strs") ?? fields.bool("with_pieces") ?? false {
            answer["token_strs"] = .array(ids.map { .string(model.names.name($0)) })
        }
        return Response(.object(answer))
    }

    /// `{"model", "tokens"}` → `{"prompt", "content"}`, the same text.
    private func detokenize(_ fields: RequestFields) throws -> Response {
        try fields.refuseUnknown(["model", "tokens", "skip_special_tokens"])
        let model = try shelf.model(try fields.string("model"))
        guard let ids = fields["tokens"]?.arrayValue.flatMap(RequestFields.ids) else {
            throw fields.wrong("tokens", "a list of ids")
        }
        let tokenizer = try model.tokenizer.get()
        if let id = ids.first(where: { !tokenizer.contains($0) }) {
            throw APIError.wrong("tokens", "ids of the tokenizer", got: "\(id)")
        }
        let skips = try fields.bool("skip_special_tokens") ?? false
        let text = JSON.string(try tokenizer.decode(ids, skippingSpecialTokens: skips))
        return Response(["prompt": text, "content": text])
    }
}

extension ServedModel {
    /// As `/v1/models` lists it.
    var json: JSON {
        [
            "id": .string(id), "object": "model", "created": .integer(created), "owned_by": "heed",
            "max_model_len": .integer(contextLength),
        ]
    }
}

extension HeedServer {
    /// What connections need besides the usual: their jobs end when the client goes.
    public static func channelHandlers() -> [any RemovableChannelHandler] { [ClosedClientHandler()] }

    /// A router with nothing but this server: all routes, spans for whatever tracer the process has, other origins' pages
    /// where they are allowed, and OpenAI's form for what no route takes.
    public func router<Context: ClientContext>(context: Context.Type = ServeContext.self) -> Router<Context> {
        let router = Router(context: context)
        router.add(middleware: TracingMiddleware())
        if let origin = options.allowedOrigin {
            router.add(
                middleware: CORSMiddleware(
                    allowOrigin: origin == "*" ? .all : .custom(origin),
                    allowHeaders: [.contentType, .authorization, .requestID], allowMethods: [.get, .post, .options]))
        }
        addRoutes(to: router)
        // Added last, so that it sees only what no route takes.
        router.add(middleware: Fallback(metrics: metrics))
        return router
    }
}

/// Turns what no route takes into OpenAI's form.
private struct Fallback<Context: RequestContext>: RouterMiddleware {
    let metrics: any MetricsFactory

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        do { return try await next(request, context) } catch let error as HTTPError {
            Counter(
                label: "heed_requests_total", dimensions: [("path", "other"), ("code", "\(error.status.code)")],
                factory: metrics
            ).increment()
            return APIError(error).response
        }
    }
}
