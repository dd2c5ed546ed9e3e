import ArgumentParser
import Foundation
import Heed
import HeedServe
import Hummingbird
import HummingbirdTLS
import Logging
import Metrics
import NIOCore
import NIOSSL
import ServiceLifecycle
import UnixSignals

/// `heed-serve`: models behind the OpenAI protocol.
@main
struct HeedServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "heed serve",
        abstract: "Serve models: the OpenAI protocol over HTTP.",
        discussion: """
            heed serve model --port 8080
            heed serve small=models/a large=models/b.gguf --api-keys keys.txt --host 0.0.0.0
            heed serve model --adapter pirate=adapters/pirate --weights bf16

            A model's id is its folder's or file's name, or NAME in NAME=PATH. Paths: /v1/models, /v1/completions, \
            /v1/chat/completions, /v1/responses, /v1/embeddings, /tokenize, /detokenize, /health, /ready, /metrics, and a \
            page to play with at /. SIGTERM ends the server when the answers that began are whole; SIGHUP loads the \
            models anew.
            """,
        version: HeedServer.version)

    @Argument(help: ArgumentHelp("The models: folders or GGUF files.", valueName: "model"))
    var models: [String]

    @Option(help: "The address to listen on; 0.0.0.0 is every one.")
    var host = "127.0.0.1"

    @Option(help: "The port to listen on; 0 for any that is free.")
    var port = 8080

    @Option(
        help: ArgumentHelp(
            "Keys that clients may have, one a line, plain or sha256:HEX; so does HEED_API_KEYS.", valueName: "file"))
    var apiKeys: String?

    @Option(help: ArgumentHelp("Sequences of a model that are decoded at once.", valueName: "n"))
    var parallel = 16

    @Option(help: ArgumentHelp("Requests that wait for a place; one more is refused (429).", valueName: "n"))
    var queue = 256

    @Option(help: ArgumentHelp("Seconds that answers have to end after SIGTERM.", valueName: "seconds"))
    var grace = 30.0

    @Option(help: ArgumentHelp("The most bytes of a request.", valueName: "bytes"))
    var maxBody = 8 << 20

    @Option(help: ArgumentHelp("Connections that are open at once.", valueName: "n"))
    var connections = 1024

    @Option(help: ArgumentHelp("Seconds after which a connection without a request is closed.", valueName: "seconds"))
    var idleTimeout = 120

    @Option(help: ArgumentHelp("Seconds that a request may take; no limit where not given.", valueName: "seconds"))
    var timeout: Double?

    @Option(help: ArgumentHelp("How many prompt tokens one pass reads at most.", valueName: "n"))
    var prefillChunk = 256

    @Option(help: ArgumentHelp("Tokens that are kept for prompts that begin the same, 0 for none.", valueName: "n"))
    var prefixTokens = 16_384

    @Option(
        help: ArgumentHelp(
            "An adapter in PEFT's layout, served under a name of its own on the first model; may be repeated.",
            valueName: "name=folder"))
    var adapter: [String] = []

    @Option(
        name: [.long, .customLong("dtype")],
        help: ArgumentHelp(
            "How the models' matrices are kept and multiplied: as their files have them, or rounded to a form.",
            valueName: "stored|f32|f16|bf16|int8|int4"))
    var weights = WeightForm.stored

    @Option(
        help: ArgumentHelp("How keys and values are kept for the tokens to come.", valueName: "f32|bf16|f16|int8"))
    var cache = CacheKind.float32

    @Option(help: ArgumentHelp("Another chat template than the models' own.", valueName: "file"))
    var chatTemplate: String?

    @Option(help: ArgumentHelp("How many threads compute; all cores where not given.", valueName: "n"))
    var threads: Int?

    @Option(help: ArgumentHelp("The certificate chain, for TLS.", valueName: "file.pem"))
    var tlsCertificate: String?

    @Option(help: ArgumentHelp("The certificate's private key.", valueName: "file.pem"))
    var tlsKey: String?

    @Option(
        help: ArgumentHelp("The origin whose pages may call the server, or *; none where not given.", valueName: "o"))
    var allowOrigin: String?

    @Flag(inversion: .prefixedNo, help: "The page at /.")
    var page = true

    @Option(help: ArgumentHelp("What is logged: trace, debug, info, notice, warning, error.", valueName: "level"))
    var logLevel = Logger.Level.notice

    func validate() throws {
        func check(_ option: String, _ value: Int, _ range: ClosedRange<Int>) throws {
            guard range.contains(value) else {
                throw ValidationError(
                    "\(option): expected a value from \(range.lowerBound) to \(range.upperBound), got \(value).")
            }
        }
        if models.isEmpty { throw ValidationError("expected at least one model.") }
        for given in adapter where given.hasPrefix("=") || given.split(separator: "=", maxSplits: 1).count != 2 {
            throw ValidationError("--adapter: expected NAME=FOLDER, got '\(given)'.")
        }
        guard cache != .none else { throw ValidationError("--cache: expected f32, bf16, f16 or int8, got 'none'.") }
        try check("--port", port, 0...65_535)
        try check("--parallel", parallel, 1...4096)
        try check("--queue", queue, 0...1_000_000)
        try check("--max-body", maxBody, 1024...1 << 30)
        try check("--connections", connections, 1...1_000_000)
        try check("--idle-timeout", idleTimeout, 1...86_400)
        try check("--prefill-chunk", prefillChunk, 1...65_536)
        try check("--prefix-tokens", prefixTokens, 0...1 << 30)
        if let threads { try check("--threads", threads, 1...1024) }
        guard grace >= 0, grace <= 86_400 else { throw ValidationError("--grace: expected 0 to 86400 seconds.") }
        if let timeout, !(timeout > 0 && timeout.isFinite) {
            throw ValidationError("--timeout: expected a number above 0.")
        }
        guard (tlsCertificate == nil) == (tlsKey == nil) else {
            throw ValidationError("--tls-certificate and --tls-key: expected both or none.")
        }
    }

    func run() async throws {
        do { try await serve() } catch let error as HeedError {
            FileHandle.standardError.write(Data("heed serve: \(error.description)\n".utf8))
            throw ExitCode(error.kind == .usage ? 2 : 1)
        }
    }
}

extension WeightForm: @retroactive ExpressibleByArgument {}
extension CacheKind: @retroactive ExpressibleByArgument {}
extension Logger.Level: @retroactive ExpressibleByArgument {}
