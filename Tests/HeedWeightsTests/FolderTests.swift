import HeedSupport
import HeedWeights
import Testing

@Suite("model folders")
struct FolderTests {
    private func shard(_ folder: String, _ name: String, _ tensors: [(String, Float)]) throws {
        try writeSafetensors(
            path: joinPath(folder, name), tensors.map { TensorToWrite($0.0, shape: [1], [$0.1]) })
    }

    private func index(_ folder: String, _ map: [(String, String)]) throws {
        var members = JSONObject()
        for (name, file) in map { members[name] = .string(file) }
        try writeAtomically(
            path: joinPath(folder, "model.safetensors.index.json"),
            text: JSON.object(["metadata": [:], "weight_map": .object(members)]).serialised())
    }

    @Test("shards are found through the index")
    func shards() throws {
        try withTemporaryFolder { folder in
            try shard(folder, "m-1.safetensors", [("a", 1), ("b", 2)])
            try shard(folder, "m-2.safetensors", [("c", 3)])
            try index(folder, [("c", "m-2.safetensors"), ("a", "m-1.safetensors"), ("b", "m-1.safetensors")])
            let source = try openWeights(folder: folder)
            #expect(source.tensors.map(\.name) == ["a", "b", "c"])
            #expect(try ["a", "b", "c"].map { try source.floats($0) } == [[1], [2], [3]])
        }
    }

    @Test(
        "a path that leads outside is refused",
        arguments: ["../../../../etc/passwd", "/etc/passwd", "a/../../b.safetensors", "", "./m-1.safetensors", "a//b"])
    func outside(path: String) throws {
        try withTemporaryFolder { folder in
            try index(folder, [("a", path)])
            let text = message { _ = try openWeights(folder: folder) }
            #expect(text.contains("index.json") && text.contains("outside") && text.contains(path), "\(text)")
        }
    }

    @Test("a missing shard and a missing tensor are named")
    func missing() throws {
        try withTemporaryFolder { folder in
            #expect(message { _ = try openWeights(folder: folder) }.contains("model.safetensors"))
            try index(folder, [("a", "m-1.safetensors")])
            #expect(message { _ = try openWeights(folder: folder) }.contains("m-1.safetensors"))
            try shard(folder, "m-1.safetensors", [("b", 2)])
            #expect(message { _ = try openWeights(folder: folder) }.contains("\"a\""))
            #expect(message { _ = try openWeights(folder: joinPath(folder, "nowhere")) }.contains("nowhere"))
        }
    }

    @Test(
        "an index of another form is refused",
        arguments: ["[]", "{}", #"{"weight_map":7}"#, #"{"weight_map":{"a":7}}"#, ""])
    func otherForm(text: String) throws {
        try withTemporaryFolder { folder in
            try writeAtomically(path: joinPath(folder, "model.safetensors.index.json"), text: text)
            #expect(message { _ = try openWeights(folder: folder) }.contains("model.safetensors.index.json"))
        }
    }
}

@Suite("config.json")
struct ConfigurationReaderTests {
    private func reader(_ json: JSON) throws -> ConfigurationReader {
        try ConfigurationReader(json, file: "config.json")
    }

    @Test(
        "a width that is none is refused with its key",
        arguments: [
            "-48", "0", "4611686018427387904", "1e300", "48.5", "\"wide\"", "null", "true", "[48]", "{}", "1e-3",
        ])
    func widths(text: String) throws {
        let reader = try reader(JSON.parse("{\"n_embd\": \(text)}"))
        for attempt in [{ try reader.integer("n_embd") }, { try reader.integer("n_embd", default: 3) }] {
            let said = message { _ = try attempt() }
            #expect(said.hasPrefix("config.json: the value of n_embd") && said.contains("from 1 to"), "\(said)")
        }
    }

    @Test("values of the right kind are read, absent ones fall back")
    func values() throws {
        let reader = try reader([
            "width": 48, "epsilon": 1e-5, "name": "gpt2", "tied": true, "nothing": nil, "whole": 48.0, "ids": [1, 2],
        ])
        #expect(try reader.integer("width") == 48)
        #expect(try reader.integer("whole") == 48)
        #expect(try reader.integer("absent", default: 7) == 7)
        #expect(try reader.optionalInteger("nothing") == nil)
        #expect(try reader.optionalIntegers("ids", in: 0...9) == [1, 2])
        #expect(try reader.optionalIntegers("width", in: 0...99) == [48])
        #expect(try reader.double("epsilon", in: 0...1) == 1e-5)
        #expect(try reader.string("name") == "gpt2")
        #expect(try reader.bool("tied", default: false) == true)
        #expect(try reader.choice("name", ["bert": 1, "gpt2": 2]) == 2)
        #expect(try reader.choice("absent", ["bert": 1], default: 9) == 9)
    }

    @Test("other mistakes are named")
    func mistakes() throws {
        let reader = try reader(["n_layers": 3, "act": "swosh", "eps": -1.0, "huge": 7])
        #expect(message { _ = try reader.integer("n_layer") }.contains("nearest key there is n_layers"))
        #expect(message { _ = try reader.choice("act", ["gelu": 1, "swish": 2]) }.contains("nearest is \"swish\""))
        #expect(message { _ = try reader.double("eps", in: 0...1) }.contains("eps"))
        #expect(message { _ = try reader.string("huge") }.contains("huge"))
        #expect(message { _ = try ConfigurationReader([], file: "config.json") }.contains("config.json"))
    }
}
