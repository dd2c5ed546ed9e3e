import HeedSupport
import Testing

@Suite("where models are found")
struct ModelLocationTests {
    private func withCache(_ body: (ModelCache, String) throws -> Void) throws {
        let folder = temporaryPath("cache")
        defer { try? removeTree(folder) }
        let home = joinPath(folder, "models--org--tiny-model")
        for commit in ["0123456789abcdef", "0123ffffffffffff"] {
            try createDirectory(joinPath(home, "snapshots/" + commit))
        }
        try createDirectory(joinPath(home, "refs"))
        try writeAtomically(path: joinPath(home, "refs/main"), text: "0123456789abcdef\n")
        try writeAtomically(path: joinPath(home, "refs/v2"), text: "0123ffffffffffff")
        try createDirectory(joinPath(folder, "models--single/snapshots/77"))
        try body(ModelCache(folder: folder), home)
    }

    @Test("names lead to snapshots, with and without a revision")
    func snapshots() throws {
        try withCache { (cache: ModelCache, home: String) throws in
            let (first, second) = (home + "/snapshots/0123456789abcdef", home + "/snapshots/0123ffffffffffff")
            #expect(try cache.snapshot(of: "org/tiny-model") == first)
            #expect(try cache.snapshot(of: "org/tiny-model@main") == first)
            #expect(try cache.snapshot(of: "org/tiny-model@v2") == second)
            #expect(try cache.snapshot(of: "org/tiny-model@0123f") == second)
            #expect(try cache.snapshot(of: "single") == cache.folder + "/models--single/snapshots/77")
        }
    }

    @Test(
        "what is not there is named",
        arguments: [
            ("org/tiny-modle", "org/tiny-model"), ("org/tiny-model@v3", "v2"), ("org/tiny-model@0123", "revision"),
            ("../secrets", "no such"), ("a/b/c", "no such"), ("org/..", "no such"),
            ("org/tiny-model@../../x", "no such"),
            ("", "no such"), ("org--tiny-model", "no such"),
        ])
    func missing(name: String, needle: String) throws {
        try withCache { (cache: ModelCache, _: String) throws in
            do {
                _ = try cache.snapshot(of: name)
                Issue.record("\(name) was found")
            } catch let error as HeedError {
                #expect(error.description.contains(needle), "\(error)")
            }
        }
    }

    @Test("a path that is there is meant itself; a folder with one GGUF model is that")
    func paths() throws {
        try withCache { (cache: ModelCache, home: String) throws in
            #expect(try locateModel(home) == home)
            let single = cache.folder + "/models--single/snapshots/77"
            try writeAtomically(path: joinPath(single, "m-00001-of-00002.gguf"), text: "x")
            try writeAtomically(path: joinPath(single, "m-00002-of-00002.gguf"), text: "x")
            #expect(try locateModel(single) == joinPath(single, "m-00001-of-00002.gguf"))
            try writeAtomically(path: joinPath(single, "config.json"), text: "{}")
            #expect(try locateModel(single) == single)
        }
    }
}
