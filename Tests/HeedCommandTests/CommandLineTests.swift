import ArgumentParser
import HeedSupport
import Testing

@testable import HeedCommand

@Suite("command line")
struct CommandLineTests {
    @Test(
        "a negative number after a long option is its value",
        arguments: [
            (["generate", "m", "--length-penalty", "-1.0"], ["generate", "m", "--length-penalty=-1.0"]),
            (["--a", "-3", "--b", "-.5", "-inf"], ["--a=-3", "--b=-.5", "-inf"]),
            (["--a=1", "-3"], ["--a=1", "-3"]), (["--json", "--b"], ["--json", "--b"]),
            (["--", "--a", "-3"], ["--", "--a", "-3"]),
            (["--a", "-x"], ["--a", "-x"]), (["-3"], ["-3"]), ([], []),
        ])
    func negativeNumbers(words: [String], joined: [String]) {
        #expect(CommandLineWords.joiningNegativeNumbers(words) == joined)
    }

    @Test("the nearest command and option are named")
    func hints() {
        func path(_ words: String...) -> CommandPath { CommandPath(root: HeedCommand.self, words: words) }
        #expect(path("exampel").unknownCommand?.contains("did you mean 'example'?") == true)
        #expect(path("example", "cat-sleep").unknownCommand?.contains("did you mean 'cat-sleeps'?") == true)
        #expect(path("example", "batch").unknownCommand == nil)
        #expect(path("--version").unknownCommand == nil)
        let batch = path("example", "batch")
        #expect(batch.name == "heed example batch")
        #expect(batch.unknownOption(in: ["--unscale"])?.contains("did you mean '--unscaled'?") == true)
        #expect(batch.unknownOption(in: ["--zebra-stripes=3"]) == "unknown option '--zebra-stripes'.")
        #expect(batch.unknownOption(in: ["--json", "--unscaled", "--help"]) == nil)
    }

    @Test("the program is called as it was typed, or by the shortest path")
    func programName() throws {
        let folder = temporaryPath("name")
        try createDirectory(joinPath(folder, ".build/release"))
        defer { try? removeTree(folder) }
        func name(_ started: String) -> String { ProgramName.name(started: started, in: folder) }
        let built = folder + "/.build/x86_64-unknown-linux-gnu/release/heed"
        #expect(name(built) == ".build/x86_64-unknown-linux-gnu/release/heed")
        try writeAtomically(path: joinPath(folder, ".build/release/heed"), text: "")
        #expect(name(built) == ".build/release/heed")
        #expect(name("heed") == "heed")
        #expect(name("") == "heed")
        #expect(name(folder + "/heed") == "./heed")
        #expect(name("/usr/local/bin/heed") == "/usr/local/bin/heed")
        #expect(ProgramName.name(started: built, in: nil) == built)
    }

    @Test("messages are one paragraph")
    func paragraphs() {
        #expect(CommandRunner.paragraph("Missing value\n  for '--x'\n") == "Missing value for '--x'.")
        #expect(CommandRunner.paragraph("Really?") == "Really?")
    }

    @Test("numbers and durations are printed as people write them")
    func printing() {
        #expect(fixed(3.14159, 2) == "3.14")
        #expect(fixed(-0.005, 2) == "-0.01")
        #expect(fixed(-0.001, 2) == "0.00")
        #expect(fixed(12, 0) == "12")
        #expect(fixed(0.0499, 1) == "0.0")
        #expect(fixed(.nan, 2) == "nan")
        #expect(Progress.duration(0.44) == "0.4 s")
        #expect(Progress.duration(200) == "3 min 20 s")
        #expect(Progress.duration(7500) == "2 h 5 min")
    }

    @Test("a bar keeps to the width of the terminal", arguments: [10, 40, 80, 200])
    func bars(width: Int) {
        for done in [0, 1, 37, 99, 100, 150] {
            let bar = Progress.bar("Training", done, 100, ["loss 1.93", "12,300 tokens/s", "3 min left"], width: width)
            #expect(bar.count < width)
        }
    }

    @Test("colour only where it is wanted")
    func colour() {
        let plain = Terminal(hasColour: false, isInteractive: false, width: 80)
        let colourful = Terminal(hasColour: true, isInteractive: true, width: 80)
        #expect(plain.styled("x", .bold) == "x")
        #expect(colourful.styled("x", .bold, .red) == "\u{1B}[1;31mx\u{1B}[0m")
    }

    @Test("lines end at line feeds only, and must be UTF-8")
    func lines() throws {
        let path = temporaryPath("lines.txt")
        defer { try? removeFile(path) }
        try writeAtomically(path: path, text: "a\r\n\nb\u{2028}c\nlast")
        #expect(try TextLines.read(path) == ["a\r", "", "b\u{2028}c", "last"])
        try writeAtomically(path: path, bytes: [0x61, 0x0A, 0xFF])
        #expect(throws: HeedError.self) { _ = try TextLines.read(path) }
    }

    @Test("the library's options are called as the command calls them; what is no option of it stays")
    func optionNames() {
        let train = CommandPath(root: HeedCommand.self, words: ["train"])
        #expect(
            train.inOwnWords("`weightDecay` and `peak` cannot be used with `batch`, but `topK` and `a b` may")
                == "--weight-decay and --lr cannot be used with --batch, but `topK` and `a b` may")
        #expect(train.inOwnWords("an open ` and `batch` and `") == "an open ` and `batch` and `")
        let generate = CommandPath(root: HeedCommand.self, words: ["generate"])
        #expect(generate.inOwnWords("`endTokens`: raise `maxNewTokens`") == "--eos-token-ids: raise --max-new-tokens")
    }
}
