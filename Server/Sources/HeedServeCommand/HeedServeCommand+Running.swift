import Foundation
import Heed
import HeedServe
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
import Logging
import Metrics
import NIOCore
import NIOSSL
import ServiceLifecycle
import UnixSignals

extension HeedServeCommand {
    /// Loads the models, then serves until a signal ends it.
    func serve() async throws {
        let level = logLevel
        LoggingSystem.bootstrap { label in
            var handler = JSONLogHandler(label: label)
            handler.logLevel = level
            return handler
        }
        let logger = Logger(label: "heed-serve")
        let metrics = PrometheusMetrics()
        MetricsSystem.bootstrap(metrics)

        var limits = Engine.Limits()
        limits.parallel = parallel
        limits.waiting = queue
        limits.promptChunk = prefillChunk
        limits.prefixTokens = prefixTokens
        let keys = try APIKeys.load(file: apiKeys)
        let engine = Engine(
            runtime: try Runtime(threads: threads), limits: limits, figures: EngineFigures(factory: metrics))
        let shelf = try ModelShelf(engine: engine, loader: loader(logger))
        var options = ServerOptions()
        options.maximumBody = maxBody
        options.timeout = timeout
        options.allowedOrigin = allowOrigin
        options.hasPage = page
        let server = HeedServer(shelf: shelf, metrics: metrics, keys: keys, options: options)
        try await run(server, shelf, engine, logger)
    }

    /// What loads all models, and the adapters on the first of them.
    private func loader(_ logger: Logger) -> @Sendable (Engine) throws -> [ServedModel] {
        let named = models.map { given -> (name: String?, path: String) in
            let parts = given.split(separator: "=", maxSplits: 1).map(String.init)
            // A path may hold the sign itself.
            let isNamed = parts.count == 2 && !FileManager.default.fileExists(atPath: given) && !parts[0].contains("/")
            return isNamed ? (parts[0], parts[1]) : (nil, given)
        }
        let adapters = adapter.map { given in
            let parts = given.split(separator: "=", maxSplits: 1).map(String.init)
            return (name: parts[0], folder: parts[1])
        }
        let (weights, cache, template) = (weights, cache, chatTemplate)
        return { engine in
            func load(_ name: String?, _ path: String, adapter: String? = nil, on base: ServedModel? = nil) throws
                -> ServedModel
            {
                try ServedModel(
                    path: path, name: name, adapter: adapter, on: base, weights: weights, cache: cache,
                    chatTemplate: template, engine: engine)
            }
            var loaded = try named.map { try load($0.name, $0.path) }
            if let first = loaded.first {
                loaded += try adapters.map { try load($0.name, first.path, adapter: $0.folder, on: first) }
            }
            for warning in loaded.flatMap(\.warnings) { logger.warning("\(warning)") }
            return loaded
        }
    }

    private func run(_ server: HeedServer, _ shelf: ModelShelf, _ engine: Engine, _ logger: Logger) async throws {
        let (host, port) = (host, port)
        let isSecure = tlsCertificate != nil
        let configuration = HTTP1Channel.Configuration(
            additionalChannelHandlers: HeedServer.channelHandlers(), idleTimeout: .seconds(Int64(idleTimeout)),
            httpDecoderConfiguration: .init(
                maxHeaderFieldSize: 16 << 10, maxHeaderListSize: 32 << 10, maxHeaderFieldCount: 100))
        let app = Application(
            router: server.router(),
            server: try tls().map { try .tls(.http1(configuration: configuration), tlsConfiguration: $0) }
                ?? .http1(configuration: configuration),
            configuration: .init(
                address: .hostname(host, port: port), serverName: "heed",
                backlog: 1024, availableConnectionsDelegate: MaximumAvailableConnections(connections)),
            onServerRunning: { channel in
                let port = channel.localAddress?.port ?? port
                let line =
                    "heed serve: \(shelf.all.map(\.id).joined(separator: ", ")) at "
                    + "\(isSecure ? "https" : "http")://\(host):\(port)\n"
                FileHandle.standardError.write(Data(line.utf8))
            },
            logger: logger)
        var group = ServiceGroupConfiguration(
            services: [
                app, Ending(server: server, engine: engine, grace: grace), Reloading(shelf: shelf, logger: logger),
            ],
            gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        group.maximumGracefulShutdownDuration = .seconds(grace + 1)
        do { try await ServiceGroup(configuration: group).run() } catch let error as IOError {
            throw HeedError(
                .io, "cannot listen: \(error.description)", in: "\(host):\(port)",
                advice: "Choose another --port, or end the program that has it")
        }
    }

    private func tls() throws -> TLSConfiguration? {
        guard let tlsCertificate, let tlsKey else { return nil }
        do {
            let chain = try NIOSSLCertificate.fromPEMFile(tlsCertificate)
            let key = try NIOSSLPrivateKey(file: tlsKey, format: .pem)
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
            configuration.minimumTLSVersion = .tlsv12
            return configuration
        } catch let error as HeedError { throw error } catch {
            throw HeedError(
                .badInput, "the certificate or its key cannot be used: \(error)", in: "\(tlsCertificate), \(tlsKey)",
                expected: "files in PEM")
        }
    }
}

/// Says no to new work when the server is to end, and ends what is left when the time is over.
private struct Ending: Service {
    let server: HeedServer
    let engine: Engine
    let grace: Double

    func run() async throws {
        try await withGracefulShutdownHandler {
            try await gracefulShutdown()
        } onGracefulShutdown: {
            server.beginEnding()
            let engine = engine
            Task {
                try await Task.sleep(for: .seconds(grace))
                engine.end()
            }
        }
    }
}

/// Loads the models anew at every SIGHUP.
private struct Reloading: Service {
    let shelf: ModelShelf
    let logger: Logger

    func run() async throws {
        let signals = await UnixSignalsSequence(trapping: .sighup)
        for await _ in signals.cancelOnGracefulShutdown() {
            do {
                try shelf.reload()
                logger.notice("models loaded anew")
            } catch {
                logger.error("the models were not loaded anew", metadata: ["error": "\(error)"])
            }
        }
    }
}
