import Foundation
import Heed
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Synchronization
import Testing

@testable import HeedServe

/// A server of a small model of random weights that reads bytes, in this process.
struct TestServer {
    let folder: String
    let shelf: ModelShelf
    let server: HeedServer
    static let model = "talker"

    /// ChatML without system tricks.
    static let template = """
        {%- if tools %}{{ '<tool_call>' if false }}{% endif %}\
        {%- for m in messages %}{{ '<|start|>' + m.role + '\\n' + m.content + '<|end|>\\n' }}{% endfor %}\
        {%- if add_generation_prompt %}{{ '<|start|>assistant\\n' }}{% endif %}
        """

    init(
        parallel: Int = 16, waiting: Int = 256, promptChunk: Int = 256, prefixTokens: Int = 16_384, threads: Int = 2,
        keys: String = "", options: ServerOptions = ServerOptions(), hasAdapter: Bool = false
    ) throws {
        folder = NSTemporaryDirectory() + "heed-serve-" + AnswerHead.random()
        let path = folder + "/" + TestServer.model
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        let text = folder + "/text"
        try Data("The cat sat on the mat. A small boat, every day.\n".utf8).write(to: URL(filePath: text))
        let specials = ["<|end|>", "<|start|>"]
        try ByteLevelBPETrainer(vocabularySize: 270, specialTokens: specials).train(files: [text]).save(to: path)
        try Model(
            .gpt2(width: 32, layers: 2, heads: 4, vocabulary: 270, context: 512), family: .gpt2,
            specials: SpecialIds(begin: 0, ends: [0]), seed: 7
        ).save(folder: path)
        try Data(TestServer.template.utf8).write(to: URL(filePath: path + "/chat_template.jinja"))
        var limits = Engine.Limits()
        limits.parallel = parallel
        limits.waiting = waiting
        limits.promptChunk = promptChunk
        limits.prefixTokens = prefixTokens
        let metrics = PrometheusMetrics()
        let engine = Engine(
            runtime: try Runtime(threads: threads), limits: limits, figures: EngineFigures(factory: metrics))
        let adapter = hasAdapter ? folder + "/adapter" : nil
        if let adapter { try TestServer.writeAdapter(on: path, to: adapter) }
        shelf = try ModelShelf(engine: engine) { engine in
            let model = try ServedModel(path: path, engine: engine)
            let adapted = try adapter.map {
                try ServedModel(path: path, name: "adapted", adapter: $0, on: model, engine: engine)
            }
            return [model] + (adapted.map { [$0] } ?? [])
        }
        server = HeedServer(
            shelf: shelf, metrics: metrics, keys: try APIKeys(lines: keys, in: "test"), options: options)
    }

    /// An adapter whose numbers all are random.
    private static func writeAdapter(on path: String, to folder: String) throws {
        let configuration = AdapterConfiguration(rank: 4, alpha: 8, targets: .names(["c_attn"]))
        let model = try Model.load(folder: path, Adaptation(adapter: .new(configuration, seed: 3)))
        let numbers = try model.weights.change()
        for index in 0..<model.weights.layout.trained { numbers.base[index] = Float(index % 13 - 6) / 20 }
        model.weights.settle()
        try model.saveTrained(folder: folder)
    }

    func close() { try? FileManager.default.removeItem(atPath: folder) }

    /// Runs `body` with a client that calls the server's routes without a network between.
    func test(_ body: (Client) async throws -> Void) async throws {
        try await body(Client(responder: server.router(context: TestContext.self).buildResponder()))
    }

    /// The context of a request that came by no connection.
    struct TestContext: ClientContext {
        struct Source: RequestContextSource {
            let logger: Logger
        }

        var coreContext: CoreRequestContextStorage
        var owner = 0
        var clientChannel: (any Channel)? { nil }

        init(source: Source) { coreContext = .init(source: source) }
    }

    /// Keeps what an answer writes.
    private final class Paper: ResponseBodyWriter, Sendable {
        let bytes = Mutex<[UInt8]>([])

        func write(_ buffer: ByteBuffer) { bytes.withLock { $0 += buffer.readableBytesView } }
        func finish(_ trailingHeaders: HTTPFields?) {}
    }

    /// Sends JSON and reads it.
    struct Client: Sendable {
        let responder: RouterResponder<TestContext>

        func send(
            _ method: HTTPRequest.Method, _ path: String, _ body: [UInt8]? = nil, key: String? = nil
        ) async throws -> (status: Int, text: String) {
            var head = HTTPRequest(method: method, scheme: "http", authority: "test", path: path)
            head.headerFields[.contentType] = "application/json"
            if let body { head.headerFields[.contentLength] = "\(body.count)" }
            if let key { head.headerFields[.authorization] = "Bearer \(key)" }
            var logger = Logger(label: "test")
            logger.logLevel = .critical
            logger[metadataKey: "hb.request.id"] = "test"
            let request = Request(head: head, body: RequestBody(buffer: ByteBuffer(bytes: body ?? [])))
            let response = try await responder.respond(
                to: request, context: TestContext(source: .init(logger: logger)))
            let paper = Paper()
            try await response.body.write(paper)
            return (response.status.code, String(decoding: paper.bytes.withLock { $0 }, as: UTF8.self))
        }

        func post(_ path: String, _ body: JSON) async throws -> (status: Int, json: JSON) {
            let (status, text) = try await send(.post, path, body.serialisedBytes())
            return (status, try JSON.parse(text))
        }

        func complete(_ members: JSONObject) async throws -> JSON {
            var body: JSONObject = ["model": .string(TestServer.model), "prompt": "The cat", "max_tokens": 12]
            for (name, value) in members { body[name] = value }
            let (status, json) = try await post("/v1/completions", .object(body))
            try #require(status == 200, "\(json)")
            return json
        }

        func events(_ path: String, _ body: JSON) async throws -> [JSON] {
            let (status, text) = try await send(.post, path, body.serialisedBytes())
            try #require(status == 200, "\(text)")
            let lines = text.split(separator: "\n").filter { $0.hasPrefix("data: ") }.map { $0.dropFirst(6) }
            if path != "/v1/responses" { #expect(lines.last == "[DONE]") }
            return try lines.filter { $0 != "[DONE]" }.map { try JSON.parse(String($0)) }
        }
    }
}
