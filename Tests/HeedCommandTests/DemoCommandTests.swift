import Heed
import HeedSupport
import Testing

@testable import HeedCommand

@Suite("heed demo")
struct DemoCommandTests {
    @Test("trains, saves a model that loads and learned, and can be run again in its folder")
    func wholeWay() throws {
        let folder = temporaryPath("demo")
        defer { try? removeTree(folder) }
        func run() -> Int32 {
            CommandRunner(root: HeedCommand.self).run(["demo", "--steps", "12", "--threads", "2", "--output", folder])
        }
        #expect(run() == 0)
        let model = try Model.load(folder: folder)
        #expect(model.weights.layout.trainedCount == 875_264)
        #expect(try Tokenizer.load(path: folder).vocabularySize == 512)
        let first = try readFile(joinPath(folder, "model.safetensors"))
        #expect(run() == 0)
        #expect(try readFile(joinPath(folder, "model.safetensors")) == first, "the same seed gives the same bits")
    }

    @Test("a folder that holds something else is left alone")
    func otherFolder() throws {
        let folder = temporaryPath("demo")
        try createDirectory(folder)
        defer { try? removeTree(folder) }
        try writeAtomically(path: joinPath(folder, "model.safetensors"), text: "mine")
        #expect(CommandRunner(root: HeedCommand.self).run(["demo", "--steps", "12", "--output", folder]) == 2)
        #expect(try readFile(joinPath(folder, "model.safetensors")) == Array("mine".utf8))
        #expect(try listDirectory(folder) == ["model.safetensors"])
    }
}
