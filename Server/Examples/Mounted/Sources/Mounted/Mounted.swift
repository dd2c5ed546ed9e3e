import Heed
import HeedServe
import Hummingbird

/// `swift run -c release Mounted MODEL`: a page of one's own, and OpenAI's protocol below /ai.
@main
struct Mounted {
    static func main() async throws {
        let path = CommandLine.arguments.dropFirst().first ?? "model"
        let metrics = PrometheusMetrics()
        let engine = Engine(runtime: try Runtime(), figures: EngineFigures(factory: metrics))
        let shelf = try ModelShelf(engine: engine) { [try ServedModel(path: path, engine: $0)] }
        let server = HeedServer(shelf: shelf, metrics: metrics, keys: try APIKeys.load(file: nil))

        let router = Router(context: ServeContext.self)
        router.get("/hello") { _, _ in "Hello" }
        server.addRoutes(to: router.group("/ai"))
        try await Application(router: router, configuration: .init(address: .hostname("127.0.0.1", port: 8080)))
            .runService()
    }
}
