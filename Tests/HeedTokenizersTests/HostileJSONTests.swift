import HeedSupport
import HeedTokenizers
import Testing

/// Files that contradict themselves or ask for too much give an error that names them, never a trap.
@Suite("hostile files")
struct HostileJSONTests {
    static let byteLevel = #""pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"use_regex":true}"#

    static let broken: [(what: String, json: String)] = [
        ("no model", "{}"), ("an array", "[]"), ("nothing", ""),
        ("a cut file", #"{"model":{"type":"BPE","vocab":{"a":0"#),
        ("an unknown model", #"{"model":{"type":"Markov","vocab":{"a":0}}}"#),
        ("no vocabulary", #"{"model":{"type":"BPE","merges":[]}}"#),
        ("an empty vocabulary", #"{"model":{"type":"BPE","vocab":{},"merges":[]}}"#),
        ("ids that repeat", #"{"model":{"type":"BPE","vocab":{"a":0,"b":0},"merges":[]}}"#),
        ("tokens that repeat", #"{"model":{"type":"BPE","vocab":{"a":0,"a":1},"merges":[]}}"#),
        ("a negative id", #"{"model":{"type":"BPE","vocab":{"a":-1},"merges":[]}}"#),
        ("an enormous id", #"{"model":{"type":"BPE","vocab":{"a":4000000000},"merges":[]}}"#),
        ("an id beyond 64 bits", #"{"model":{"type":"BPE","vocab":{"a":99999999999999999999999},"merges":[]}}"#),
        ("an id that is a fraction", #"{"model":{"type":"BPE","vocab":{"a":0.5},"merges":[]}}"#),
        ("a merge of three", #"{"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b c"]}}"#),
        ("a merge of one", #"{"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a"]}}"#),
        ("an empty merge", #"{"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":[""]}}"#),
        ("a merge of numbers", #"{"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":[[0,1]]}}"#),
        ("a merge whose part is missing", #"{"model":{"type":"BPE","vocab":{"a":0,"ac":2},"merges":["a c"]}}"#),
        ("a merge whose result is missing", #"{"model":{"type":"BPE","vocab":{"a":0,"b":1},"merges":["a b"]}}"#),
        ("merges that are a number", #"{"model":{"type":"BPE","vocab":{"a":0},"merges":7}}"#),
        ("an unknown token that is missing", #"{"model":{"type":"BPE","unk_token":"?","vocab":{"a":0},"merges":[]}}"#),
        ("WordPiece without its unknown token", #"{"model":{"type":"WordPiece","vocab":{"a":0}}}"#),
        ("Unigram with an unknown id outside", #"{"model":{"type":"Unigram","unk_id":5,"vocab":[["a",-1]]}}"#),
        ("Unigram with a negative unknown id", #"{"model":{"type":"Unigram","unk_id":-1,"vocab":[["a",-1]]}}"#),
        ("Unigram with a broken entry", #"{"model":{"type":"Unigram","unk_id":0,"vocab":[["a"]]}}"#),
        ("Unigram with a piece twice", #"{"model":{"type":"Unigram","unk_id":0,"vocab":[["a",-1],["a",-2]]}}"#),
        (
            "an added token twice",
            #"{"added_tokens":[{"id":1,"content":"x"},{"id":2,"content":"x"}],"model":{"type":"BPE","vocab":{"a":0}}}"#
        ),
        (
            "an added token with an enormous id",
            #"{"added_tokens":[{"id":99999999999,"content":"x"}],"model":{"type":"BPE","vocab":{"a":0}}}"#
        ),
        (
            "a pattern that does not end",
            #"{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a"},"behavior":"Isolated"},"#
                + #""model":{"type":"BPE","vocab":{"a":0}}}"#
        ),
        (
            "rules that are no base64",
            #"{"normalizer":{"type":"Precompiled","precompiled_charsmap":"!!!"},"model":{"type":"BPE","vocab":{"a":0}}}"#
        ),
        (
            "padding to an enormous length",
            #"{"padding":{"strategy":{"Fixed":9999999999},"pad_id":0},"model":{"type":"BPE","vocab":{"a":0}}}"#
        ),
        (
            "truncation to a negative length",
            #"{"truncation":{"max_length":-1},"model":{"type":"BPE","vocab":{"a":0}}}"#
        ),
        ("brackets without end", String(repeating: "[", count: 200_000)),
        (
            "a normaliser without end",
            #"{"normalizer":"# + String(repeating: #"{"type":"Sequence","normalizers":["#, count: 5_000)
        ),
    ]

    @Test("a tokenizer.json with a fault is refused by name", arguments: broken)
    func refused(what: String, json: String) {
        let error = #expect(throws: HeedError.self, "\(what)") {
            try Tokenizer(json: Array(json.utf8), in: "bad.json")
        }
        #expect(error?.description.contains("bad.json") == true, "\(what): \(error?.description ?? "")")
    }

    @Test("merges that lead back to their parts, or repeat, end all the same")
    func cycles() throws {
        // "a" + "b" gives "ab", and an empty token would give a text back to itself: both must come to an end.
        let json =
            #"{"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"aba":3,"abab":4,"":5},"merges":"#
            + #"["a b","ab a","ab ab","aba b","a b",["","a"],["a",""],["",""]]}}"#
        let tokenizer: Tokenizer
        do { tokenizer = try Tokenizer(json: Array(json.utf8), in: "cycle.json") } catch is HeedError { return }
        let ids = tokenizer.ids(of: "abababab")
        #expect(ids.allSatisfy { tokenizer.contains($0) })
        #expect(try tokenizer.decode(ids).replacing(" ", with: "") == "abababab")
    }

    @Test("a long text costs no more than it should", arguments: ["a", "ab", " ", "▁", "\u{301}", "1"])
    func longRuns(unit: String) throws {
        // 200,000 characters without a break: quadratic work would not end within the test's time.
        let text = String(repeating: unit, count: 200_000)
        for kind in [FuzzTests.Kind.byteLevel, .wordPiece, .fallback, .suffix, .unigram, .pieceMerges, .pieceUnigram] {
            let tokenizer = try FuzzTests.tokenizer(kind)
            let ids = tokenizer.ids(of: text)
            #expect(ids.allSatisfy { tokenizer.contains($0) })
        }
    }

    @Test("classic files with a fault are refused by name")
    func classicFiles() throws {
        try TrainingFixtures.withFolder { folder in
            func refuse(_ files: [(String, String)], _ path: String, _ options: Tokenizer.LoadOptions = .init()) throws
            {
                for (name, text) in files { try writeAtomically(path: "\(folder)/\(name)", text: text) }
                let error = #expect(throws: HeedError.self) {
                    try Tokenizer.load(path: "\(folder)/\(path)", options: options)
                }
                #expect(error?.description.contains(folder) == true)
            }
            try refuse([("vocab.json", #"{"a":0}"#), ("merges.txt", "#version: 0.2\na b\n")], "vocab.json")
            try refuse([("vocab.json", #"{"a":0,"b":0}"#), ("merges.txt", "")], "vocab.json")
            try refuse([("vocab.json", "[1]"), ("merges.txt", "")], "vocab.json")
            try refuse([("vocab.json", #"{"a":0,"b":1,"ab":2}"#), ("merges.txt", "a b c\n")], "vocab.json")
            try refuse([("vocab.txt", "a\nb\n")], "vocab.txt")
            try refuse([("vocab.txt", "[UNK]\na\na\n")], "vocab.txt")
            try refuse([("vocab.txt", "[UNK]\n\na\n")], "vocab.txt")
            try refuse([("vocab.txt", "")], "vocab.txt")
            let gpt2 = Tokenizer.LoadOptions(pattern: "gpt2")
            try refuse([("x.tiktoken", "YQ== 0\n")], "x.tiktoken", gpt2)
            try refuse([("x.tiktoken", "YQ==\n")], "x.tiktoken", gpt2)
            try refuse([("x.tiktoken", "!!!! 0\n")], "x.tiktoken", gpt2)
            try refuse([("x.tiktoken", "YQ== 0\nYg== 0\n")], "x.tiktoken", gpt2)
            try refuse([("x.tiktoken", "YQ== 99999999999999999999\n")], "x.tiktoken", gpt2)
        }
    }
}
