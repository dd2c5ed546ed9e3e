import Testing

import HeedSupport

@Suite("JSON")
struct JSONTests {
    @Test("values of every kind")
    func values() throws {
        let text = #" {"a": [1, -2.5, 1e3, true, false, null], "b": {"c": "x\ny\u00e9\ud83d\ude00é😀"}, "": -0} "#
        let value = try JSON.parse(text)
        #expect(value["a"] == [1, -2.5, 1000.0, true, false, nil])
        #expect(value["b"]?["c"] == "x\nyé😀é😀")
        #expect(value[""]?.intValue == 0)
        #expect(value.objectValue?.keys == ["a", "b", ""])
    }

    @Test("integers are exact to the last digit, larger ones become numbers")
    func integers() throws {
        #expect(try JSON.parse("9223372036854775807") == .integer(.max))
        #expect(try JSON.parse("-9223372036854775808") == .integer(.min))
        #expect(try JSON.parse("9223372036854775808") == .number(9223372036854775808))
        #expect(try JSON.parse("18446744073709551615").doubleValue == 0x1p64)
        #expect(try JSON.parse("2.0").intValue == 2)
        #expect(try JSON.parse("2.5").intValue == nil)
        #expect(try JSON.parse("1e300").intValue == nil)
    }

    @Test(
        "numbers are correctly rounded",
        arguments: [
            "-2.0122928619384766", "0.1", "1e-5", "123456789012345678", "0.000030517578125", "1.7976931348623157e308",
            "5e-324", "-3.5449328422546387", "9007199254740993", "9007199254740993.0", "0.30000000000000004", "1e23",
            "100000000000000000000000000000000000001", "1e22", "8.5e-23", "-0.0", "0e400", "1e-400",
        ])
    func numbers(text: String) throws {
        let value = try #require(try JSON.parse(text).doubleValue)
        #expect(value == Double(text))
        #expect(try JSON.parse(JSON.number(value).serialised()).doubleValue == value)
    }

    @Test(
        "what is not JSON is refused with line and column",
        arguments: [
            "", " ", "{", "[", "[1,]", "{\"a\":1,}", "{\"a\"}", "{a:1}", "[1 2]", "tru", "nul", "truex", "01", "-",
            "1.", ".5",
            "1e", "1e+", "+1", "NaN", "Infinity", "\"", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\u12G4\"", "\"a\u{01}\"",
            "[1] 2", "]", "}", "[}", "{]", "{\"a\":1 \"b\":2}", "\"\\ud83d", "1e999", "-1e999", "'a'", "{\"a\":}",
            "[,1]",
            String(repeating: "9", count: 400),
        ])
    func refused(text: String) {
        let error = #expect(throws: HeedError.self) { try JSON.parse(text, in: "file.json") }
        #expect(error?.kind == .badInput)
        #expect(error?.description.contains("file.json") == true)
        #expect(error?.description.contains("line 1, column") == true)
    }

    @Test("200,000 brackets are an error, not a stack overflow")
    func depth() throws {
        for text in [String(repeating: "[", count: 200_000), "{\"a\":" + String(repeating: "[", count: 200_000)] {
            #expect(throws: HeedError.self) { try JSON.parse(text) }
        }
        let nested = String(repeating: "[", count: 512) + String(repeating: "]", count: 512)
        #expect(try JSON.parse(nested).arrayValue?.count == 1)
        #expect(throws: HeedError.self) { try JSON.parse("[" + nested + "]") }
    }

    @Test(
        "bytes that are not UTF-8 are refused",
        arguments: [
            [0xFF], [0xC3], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xE0, 0x80, 0x80], [0x80],
            [0xF4, 0x90, 0x80, 0x80], [0xF0, 0x8F, 0xBF, 0xBF], [0xE2, 0x82],
        ] as [[UInt8]])
    func notUTF8(sequence: [UInt8]) {
        for text in [[0x22] + sequence + [0x22], [0x22, 0x5C, 0x6E] + sequence + [0x22]] {
            let error = #expect(throws: HeedError.self) { try JSON.parse(text) }
            #expect(error?.description.contains("not UTF-8") == true)
        }
    }

    @Test("lone surrogates become U+FFFD, pairs are joined")
    func surrogates() throws {
        #expect(try JSON.parse(#""\ud83d""#) == "\u{FFFD}")
        #expect(try JSON.parse(#""\ude00\ud83d""#) == "\u{FFFD}\u{FFFD}")
        #expect(try JSON.parse(#""\ud83dx""#) == "\u{FFFD}x")
        #expect(try JSON.parse(#""\ud83d\u0041""#) == "\u{FFFD}A")
        #expect(try JSON.parse(#""\uD83D\uDE00""#) == "😀")
    }

    @Test("a repeated name: the last value counts, or the file is refused")
    func duplicates() throws {
        let text = #"{"a": 1, "b": 2, "a": 3}"#
        #expect(try JSON.parse(text) == ["a": 3, "b": 2])
        #expect(throws: HeedError.self) { try JSON.parse(text, duplicateKeys: .refuse) }
    }

    @Test("errors know their line")
    func lines() {
        let error = #expect(throws: HeedError.self) { try JSON.parse("{\n\"é\": 1,\n  é: 2\n}", in: "config.json") }
        #expect(error?.description.contains("line 3, column 3") == true)
    }

    @Test("writing and reading gives the same value, pretty or not")
    func roundTrip() throws {
        let value: JSON = [
            "name": "a\"\\\n\t\r\u{01}é😀/", "list": [1, 2.5, -0.1, 1e-7, nil, true], "empty": [], "none": [:],
            "deep": ["x": [["y": [1]]]], "big": .integer(.min),
        ]
        for pretty in [false, true] {
            #expect(try JSON.parse(value.serialised(pretty: pretty)) == value)
        }
        #expect(value.serialised().contains("\n") == false)
        #expect((["a": [1, "b"]] as JSON).serialised(pretty: true) == "{\n  \"a\": [\n    1,\n    \"b\"\n  ]\n}")
        #expect(JSON.number(.nan).serialised() == "null")
        // What readers of lines take for line ends is escaped; its neighbours are not.
        let separators: JSON = "a\u{85}b\u{2028}c\u{2029}d\u{2027}\u{A8}\u{C5}"
        #expect(separators.serialised() == #""a\u0085b\u2028c\u2029d"# + "\u{2027}\u{A8}\u{C5}\"")
        #expect(try JSON.parse(separators.serialised()) == separators)
    }

    @Test("objects keep order and find members when they are large")
    func objects() {
        var object = JSONObject()
        for index in 0..<100 { object["k\(index)"] = .integer(index) }
        object["k50"] = nil
        object["k7"] = "seven"
        #expect(object.count == 99)
        #expect(object["k50"] == nil)
        #expect(object["k99"] == .integer(99))
        #expect(object["k7"] == "seven")
        #expect(object.map(\.key).prefix(3) == ["k0", "k1", "k2"])
    }

    @Test("names that are canonically equivalent are different names")
    func equivalentNames() throws {
        let value = try JSON.parse(#"{"\u00c5": 1, "\u212b": 2, "A\u030a": 3}"#)
        #expect(value.objectValue?.count == 3)
        #expect(value["\u{212B}"] == 2)
        var large = JSONObject()
        for index in 0..<20 { large["k\(index)"] = 0 }
        large["\u{C5}"] = 1
        large["\u{212B}"] = 2
        #expect(large.count == 22)
        #expect(large["\u{C5}"] == 1)
    }

    @Test("views walk a document without building it")
    func views() throws {
        let document = try JSONDocument(Array(#"{"vocab": {"a": 1, "\u0062": 2}, "list": ["x", [1, 2], 3.5]}"#.utf8))
        document.read { root in
            #expect(root["vocab"]?.count == 2)
            #expect(root["vocab"]?["b"]?.integer == 2)
            var kinds: [JSONView.Kind] = []
            root["list"]?.forEachElement { kinds.append($0.kind) }
            #expect(kinds == [.string, .array, .number])
            #expect(root["absent"] == nil)
        }
    }

    @Test("spoiling any byte of a text never traps")
    func spoiled() {
        let text = Array(#"{"a": [1, -2.5e3, true, null], "b": "x\u00e9\ud83d\ude00é😀", "c": {}}"#.utf8)
        var read = 0
        for place in text.indices {
            for byte: UInt8 in [0x00, 0x22, 0x5C, 0x7B, 0x5D, 0x30, 0x65, 0x80, 0xC3, 0xF0, 0xFF] {
                var spoiled = text
                spoiled[place] = byte
                if (try? JSON.parse(spoiled)) != nil { read += 1 }
            }
            #expect((try? JSON.parse(Array(text[..<place]))) == nil)
        }
        #expect(read > 0)
    }
}
