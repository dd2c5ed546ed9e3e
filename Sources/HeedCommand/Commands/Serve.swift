#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import ArgumentParser
import HeedSupport

/// `heed serve`: becomes the program `heed-serve`, which is built by itself so that nobody else fetches an HTTP stack.
struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve models over HTTP, as OpenAI's clients expect it.",
        discussion: """
            heed serve MODEL --port 8080
            heed serve small=models/a large=models/b.gguf --api-keys keys.txt

            This starts heed-serve, a program of its own with all options and signals passed through. It is looked for \
            beside heed, then in the folder Server of the checkout that heed was built in. To build it: cd Server && \
            swift build -c release --product heed-serve. heed serve --help lists its options once it is there.
            """)

    @Argument(
        parsing: .captureForPassthrough,
        help: ArgumentHelp("The models and options, as heed-serve takes them.", valueName: "arguments"))
    var arguments: [String] = []

    func run() throws {
        guard let program = Serve.program(beside: Serve.runningProgram()) else {
            if arguments.contains(where: { $0 == "--help" || $0 == "-h" }) { throw CleanExit.helpRequest(self) }
            throw HeedError(
                .missing, "the server is not installed", in: "heed-serve",
                expected: "a program heed-serve beside heed",
                advice: "Build it in a checkout: cd Server && swift build -c release --product heed-serve")
        }
        try StandardOutput.flush()
        var words: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) }
        words.append(nil)
        execv(program, words)
        throw HeedError(.io, "the server cannot be started: \(String(cString: strerror(errno)))", in: program)
    }

    /// `heed-serve` for a program: beside it, or in `Server` of the checkout that it was built in.
    static func program(beside heed: String) -> String? {
        let folder = parentPath(heed)
        var places = [joinPath(folder, "heed-serve")]
        // CHECKOUT/.build/TRIPLE/release/heed
        let build = parentPath(parentPath(folder))
        if lastPathComponent(build).hasPrefix(".build") {
            let own = joinPath(parentPath(build), "Server/.build")
            places += [lastPathComponent(folder), "release"].map { joinPath(own, $0 + "/heed-serve") }
        }
        return places.first { !isDirectory($0) && access($0, X_OK) == 0 }
    }

    /// The file of this program, links followed.
    private static func runningProgram() -> String {
        for name in ["/proc/self/exe", CommandLine.arguments.first ?? "heed"] {
            if let path = realpath(name, nil) {
                defer { free(path) }
                return String(cString: path)
            }
        }
        return "heed"
    }
}
