import HeedSupport
import Testing

@testable import HeedGenerate

@Suite("Constraints")
struct ConstraintTests {
    /// Single bytes, and pieces as vocabularies have them.
    private static let tokens: [[UInt8]] =
        (0..<256).map { [UInt8($0)] }
        + [
            "ab", "abc", "the", " the", "\"", "\",", "\":", "\"}", "{\"", "}}", "]}", "],", ", ", ": ", "12", "123",
            "0.5",
            "true", "false", "null", "é", "日本", "\n", "\n  ", "  ", "-", "name", "age\"", "\": \"", "\", \"", "e+",
            "\\n",
            "\\u00", "aa", "aaa", "bb", "ba",
        ].map { Array($0.utf8) } + [[], []]

    /// What the constraint says, found without masks: a token may come if its bytes, one by one, may.
    private func slowMask(_ constraint: TokenConstraint, _ place: TokenConstraint.Place) -> [Bool] {
        constraint.tokens.indices.map { constraint.read(Int32($0), from: place) != nil }
    }

    private func bits(_ mask: [UInt64], _ count: Int) -> [Bool] {
        (0..<count).map { mask[$0 / 64] & (1 << UInt64($0 % 64)) != 0 }
    }

    /// Random texts by the masks; every mask is compared with the slow one, and what ends is checked.
    private func walk(
        _ constraint: TokenConstraint, seed: Int, _ check: ([UInt8]) throws -> Bool, line: Int = #line
    ) throws {
        var numbers = SlotTableTests.Numbers(state: UInt64(bitPattern: Int64(seed)))
        var ended = 0
        for _ in 0..<12 {
            var place = constraint.start()
            var text: [UInt8] = []
            for _ in 0..<60 {
                let mask = bits(constraint.mask(after: place), constraint.tokens.count)
                #expect(mask == slowMask(constraint, place), "after \(String(decoding: text, as: UTF8.self))")
                if place.isEnd {
                    ended += 1
                    #expect(try check(text), "\(String(decoding: text, as: UTF8.self))")
                    #expect(constraint.accepts(text))
                    if numbers.below(2) == 0 { break }
                }
                let choices = mask.indices.filter { mask[$0] }
                if choices.isEmpty { break }
                let id = choices[numbers.below(choices.count)]
                text += constraint.tokens[id]
                place = try #require(constraint.read(Int32(id), from: place))
            }
        }
        #expect(ended > 0)
    }

    @Test(
        "regular expressions: masks, and what matches by another engine",
        arguments: [
            "[a-c]{2,5}(d|ef)*", "(the| the|\\d{1,3})+", "\\w+@\\w+\\.(com|org)", "a*b?c+", "(a|ab)(c|bcd)*",
            "[^a-z\\n]{1,4}",
            "[é日-本]+x?", "(?:true|false)", "x{0}y{3}", "[\\]\\-a]+", "\\x41\\u0042\\u{43}", "-?(0|[1-9]\\d*)(\\.\\d+)?",
        ])
    func regularExpressions(_ text: String) throws {
        let constraint = try TokenConstraint(regularExpression: text, tokens: ConstraintTests.tokens)
        let other = try Regex("(?s)^(?:\(text.replacing("\\x41\\u0042\\u{43}", with: "ABC")))$")
        try walk(constraint, seed: text.utf8.reduce(1) { $0 &* 31 &+ Int($1) }) { bytes in
            // What is no text yet cannot have come to an end.
            let string = String(decoding: bytes, as: UTF8.self)
            #expect(!string.unicodeScalars.contains("\u{FFFD}"))
            return try other.wholeMatch(in: string) != nil
        }
    }

    @Test("texts that match and that do not")
    func matches() throws {
        func accepts(_ pattern: String, _ text: String) throws -> Bool {
            try TokenConstraint(regularExpression: pattern, tokens: []).accepts(Array(text.utf8))
        }
        #expect(try accepts("^ab+$", "abbb"))
        #expect(try !accepts("ab+", "xabbb"))
        #expect(try accepts(".", "日"))
        #expect(try !accepts(".", "\n"))
        #expect(try accepts("[^x]", "\u{10FFFF}"))
        #expect(try accepts("[\u{E000}-\u{10FFFF}]{2}", "\u{FFFF}\u{10000}"))
        #expect(try !accepts("[a-z]{2,3}", "abcd"))
        #expect(try accepts("a{2,}", "aaaa"))
        #expect(try accepts("a{,2}", "a{,2}"), "no bounds: a brace stands for itself")
        #expect(try accepts("(a|b)*c|", ""))
        for wrong in [
            "(", ")", "a)", "[a", "*a", "a{3,2}", "(?=a)", "(a)\\1", "\\p{L}", "[z-a]", "\\", "a$b", "\\bx", "a++",
        ] {
            #expect(throws: HeedError.self, "\(wrong)") { try accepts(wrong, "") }
        }
        #expect(throws: HeedError.self) { try accepts(String(repeating: "(", count: 10_000), "") }
        #expect(throws: HeedError.self) { try accepts("(((a{1000}){1000}){1000})", "") }
    }

    @Test("grammars in llama.cpp's notation")
    func gbnf() throws {
        let arithmetic = """
            # sums and products
            root  ::= expr
            expr ::= term ([-+] term)*   # left to right
            term  ::= factor
                      # a comment between
                      ("*" factor)*
            factor ::= [0-9]{1,3} | "(" expr ")" |
               "x"
            """
        // A rule ends with its line unless a group or a bar is open.
        #expect(throws: HeedError.self) { try TokenConstraint(gbnf: arithmetic, tokens: []) }
        let right = arithmetic.replacing("factor\n          # a comment between\n          (", with: "factor (")
        let constraint = try TokenConstraint(gbnf: right, tokens: ConstraintTests.tokens)
        for text in ["1", "x+12*(3-x)", "((((5))))", "1+2+3*4*5"] {
            #expect(constraint.accepts(Array(text.utf8)), "\(text)")
        }
        for text in ["", "+", "1+", "(1", "1)", "1234", "1 + 1"] {
            #expect(!constraint.accepts(Array(text.utf8)), "\(text)")
        }
        try walk(constraint, seed: 3) { _ in true }
        let escapes = try TokenConstraint(
            gbnf: "root ::= \"\\\"\\x41\\u00e9\\n\" [^\\]\\n] a-rule?\na-rule ::= .{2,} | \"\"", tokens: [])
        #expect(escapes.accepts(Array("\"Aé\nz".utf8)))
        #expect(escapes.accepts(Array("\"Aé\nz日本".utf8)))
        #expect(!escapes.accepts(Array("\"Aé\n]".utf8)))
        for wrong in [
            "", "rot ::= \"a\"", "root = \"a\"", "root ::= b", "root ::= \"a", "root ::= [a", "root ::= (\"a\"",
            "root ::= root \"a\" | \"b\"", "root ::= a\na ::= b?\nb ::= a \"x\"", "root ::= \"a\"\nroot ::= \"b\"",
            "root ::= \"\\q\"", "root ::= \"a\"{3,2}", "root ::= <[5]>", "root ::= \"a\" )", "root ::= [z-a]",
        ] {
            #expect(throws: HeedError.self, "\(wrong)") { try TokenConstraint(gbnf: wrong, tokens: []) }
        }
    }

    private func schema(_ text: String) throws -> TokenConstraint {
        try TokenConstraint(jsonSchema: JSON.parse(Array(text.utf8), in: "schema"), tokens: ConstraintTests.tokens)
    }

    @Test("schemas: what comes out is JSON")
    func schemas() throws {
        for (number, text) in [
            "true", "{}", "{\"type\": \"object\"}", "{\"type\": [\"string\", \"null\", \"integer\"], \"maxLength\": 3}",
            "{\"type\": \"object\", \"properties\": {\"name\": {\"type\": \"string\"}, \"age\": {\"type\": \"integer\", \"minimum\": 7, \"maximum\": 123}}, \"required\": [\"name\"], \"additionalProperties\": false}",
            "{\"type\": \"array\", \"items\": {\"enum\": [\"a\", 1, null, {\"b\": []}]}, \"minItems\": 1, \"maxItems\": 3}",
            "{\"$defs\": {\"tree\": {\"type\": \"object\", \"properties\": {\"left\": {\"$ref\": \"#/$defs/tree\"}, \"leaf\": {\"const\": 5}}, \"additionalProperties\": false}}, \"$ref\": \"#/$defs/tree\"}",
            "{\"type\": \"string\", \"format\": \"date-time\"}",
            "{\"type\": \"string\", \"pattern\": \"^[a-c]\\\"+x$\"}",
            "{\"prefixItems\": [{\"type\": \"boolean\"}, {\"type\": \"number\"}], \"items\": {\"type\": \"string\"}}",
        ].enumerated() {
            // References may be the root with definitions beside: describing keys.
            let constraint = try schema(text)
            try walk(constraint, seed: number + 5) { bytes in
                _ = try JSON.parse(bytes, in: "text")
                return true
            }
        }
    }

    @Test("schemas: members, their order and what is required")
    func members() throws {
        let constraint = try schema(
            """
            {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "boolean"}, "c": {"type": "null"}},
             "required": ["b"]}
            """)
        for text in [
            "{\"a\":1,\"b\":true,\"c\":null}", "{\"b\":false}", "{\"a\": 1, \"b\": true}",
            "{\n  \"b\": true,\n  \"c\": null}",
        ] { #expect(constraint.accepts(Array(text.utf8)), "\(text)") }
        for text in [
            "{}", "{\"a\":1}", "{\"b\":true,\"a\":1}", "{\"b\":true,}", "{,\"b\":true}", "{\"b\":1}",
            "{\"b\":true,\"d\":1}",
        ] { #expect(!constraint.accepts(Array(text.utf8)), "\(text)") }
        let open = try schema(
            "{\"properties\": {\"a\": {\"type\": \"integer\"}}, \"additionalProperties\": {\"type\": \"string\"}}")
        for text in ["{}", "{\"a\":1}", "{\"x\":\"y\"}", "{\"a\":1,\"x\":\"y\",\"z\":\"\"}"] {
            #expect(open.accepts(Array(text.utf8)), "\(text)")
        }
        #expect(!open.accepts(Array("{\"x\":1}".utf8)))
        let all = try schema(
            """
            {"allOf": [{"properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"$ref": "#/definitions/d"}],
             "definitions": {"d": {"properties": {"b": {"type": "null"}}, "required": ["b"]}}}
            """)
        #expect(all.accepts(Array("{\"a\":1,\"b\":null}".utf8)))
        #expect(!all.accepts(Array("{\"a\":1}".utf8)))
    }

    @Test("schemas that say more than can be held are refused by name")
    func refused() throws {
        for (text, name) in [
            ("{\"type\": \"number\", \"multipleOf\": 3}", "multipleOf"), ("{\"not\": {}}", "not"),
            ("{\"type\": \"array\", \"uniqueItems\": true}", "uniqueItems"), ("{\"type\": \"text\"}", "text"),
            ("{\"$ref\": \"#/$defs/none\"}", "leads nowhere"), ("{\"$ref\": \"http://x\"}", "out of the schema"),
            ("{\"type\": \"string\", \"format\": \"email\"}", "email"), ("3", "wrong kind"), ("{\"enum\": []}", "enum"),
            ("{\"type\": \"integer\", \"minimum\": 5, \"maximum\": 3}", "minimum"), ("false", "wrong kind"),
            ("{\"type\": \"array\", \"minItems\": -1}", "minItems"), ("{\"$ref\": \"#\"}", "calls itself"),
            ("{\"required\": [\"a\"], \"additionalProperties\": false}", "required"),
        ] {
            let error = #expect(throws: HeedError.self, "\(text)") { try schema(text) }
            #expect(error?.description.contains(name) == true, "\(text): \(error?.description ?? "")")
        }
    }

    @Test(
        "integers of a range, all and only", arguments: [(0, 0), (7, 123), (-15, 28), (-305, -98), (99, 1001), (5, 5)])
    func integers(_ low: Int, _ high: Int) throws {
        let constraint = try TokenConstraint(Grammar(IntegerRange.expression(low, high)), tokens: [])
        for number in -1_200...1_200 {
            #expect(constraint.accepts(Array("\(number)".utf8)) == (low...high).contains(number), "\(number)")
        }
        #expect(!constraint.accepts(Array("007".utf8)) && !constraint.accepts(Array("-0".utf8)))
        let half = try TokenConstraint(Grammar(IntegerRange.expression(low, nil)), tokens: [])
        for number in [low - 1, low, low + 1, 100_000] {
            #expect(half.accepts(Array("\(number)".utf8)) == (number >= low))
        }
    }

    @Test("rows keep to their constraints: greedy, drawn, by beams, guessing ahead, forked")
    func rows() throws {
        let tokens = ConstraintTests.tokens
        let model = ToyModel(vocabulary: tokens.count)
        let end = Int32(tokens.count - 1)
        let constraint = try schema(
            "{\"type\": \"object\", \"properties\": {\"name\": {\"type\": \"string\", \"maxLength\": 5}, \"age\": {\"type\": \"integer\"}}, \"required\": [\"name\", \"age\"]}"
        )
        func check(_ change: (inout GenerationOptions) -> Void, drafter: (any Drafter)? = nil) throws -> [[Int32]] {
            var options = GenerationOptions()
            options.constraint = constraint
            options.endTokens = [end]
            options.maxNewTokens = 120
            change(&options)
            let result = try Generator(model: model, options: options, drafter: drafter)
                .generate([GenerationPrompt(ids: [1]), GenerationPrompt(ids: [2, 3])])
            for sequence in result.sequences.joined() {
                #expect(sequence.finishReason == .stop)
                let text = sequence.ids.dropLast().flatMap { tokens[Int($0)] }
                #expect(constraint.accepts(text), "\(String(decoding: text, as: UTF8.self))")
            }
            return result.sequences.joined().map(\.ids)
        }
        _ = try check { _ in }
        let drawn = try check {
            $0.samples = true
            $0.numReturnSequences = 3
        }
        #expect(Set(drawn).count > 1)
        _ = try check {
            $0.numBeams = 4
            $0.numReturnSequences = 2
        }
        let guessed = try check(
            {
                $0.samples = true
                $0.numReturnSequences = 3
                $0.draftTokens = 4
            }, drafter: DraftModel(ToyModel(vocabulary: tokens.count)))
        #expect(guessed == drawn)
    }

    @Test("without an end id a row ends where nothing can follow")
    func whole() throws {
        let constraint = try TokenConstraint(regularExpression: "(the|ab)c", tokens: ConstraintTests.tokens)
        var options = GenerationOptions()
        options.constraint = constraint
        let result = try Generator(model: ToyModel(vocabulary: ConstraintTests.tokens.count), options: options)
            .generate([GenerationPrompt(ids: [1])]).sequences[0][0]
        #expect(result.finishReason == .stop)
        #expect(constraint.accepts(result.ids.flatMap { ConstraintTests.tokens[Int($0)] }))
    }

    @Test("what has been forgotten is found again")
    func forgetting() throws {
        // More places than are remembered: the last 16 letters count.
        let constraint = try TokenConstraint(
            regularExpression: "[ab]*a[ab]{15}",
            tokens: ConstraintTests.tokens.suffix(8) + [Array("a".utf8), Array("b".utf8)])
        var numbers = SlotTableTests.Numbers(state: 4)
        var place = constraint.start()
        let letters = constraint.tokens.indices.filter {
            constraint.tokens[$0].allSatisfy { $0 == 0x61 || $0 == 0x62 } && !constraint.tokens[$0].isEmpty
        }
        for step in 0..<30_000 {
            place = try #require(constraint.read(Int32(letters[numbers.below(letters.count)]), from: place))
            if step % 500 == 0 {
                #expect(bits(constraint.mask(after: place), constraint.tokens.count) == slowMask(constraint, place))
            }
        }
    }
}

@Suite("Mirostat")
struct MirostatTests {
    @Test("the bound follows μ ← μ − η (S − τ), and cuts by it", arguments: [1, 2])
    func recurrence(version: Int) throws {
        var candidates = CandidateSet(vocabulary: 200)
        // A Zipf law of exponent 1.3.
        let logits = (1...200).map { Float(-1.3 * ExactMathematics.log(Double($0))) }
        var mirostat = Mirostat(MirostatOptions(version: version, target: 3, rate: 0.2))
        let sum = logits.reduce(0.0) { $0 + ExactMathematics.exp(Double($1)) }
        var bound = 6.0
        for step in 0..<40 {
            try logits.withUnsafeBufferPointer { try candidates.load($0) }
            #expect(abs(mirostat.bound - bound) < 1e-6)
            mirostat.cut(&candidates)
            let surprises = logits.map {
                -ExactMathematics.log(ExactMathematics.exp(Double($0)) / sum) / ExactMathematics.log(2)
            }
            if version == 2 {
                #expect(candidates.count == max(1, surprises.count { $0 <= bound + 1e-9 }))
            } else {
                let epsilon = 0.3
                let count = ExactMathematics.pow(
                    epsilon * ExactMathematics.pow(2, bound) / (1 - ExactMathematics.pow(200, -epsilon)), 1 / 1.3)
                #expect(abs(Double(candidates.count) - min(200, count.rounded() + 1)) <= 1)
            }
            let id = candidates.draw(uniform: Double(step * 7 % 40) / 40)
            mirostat.learn(id, candidates)
            bound -= 0.2 * (surprises[Int(id)] - 3)
        }
    }

    @Test("the mean surprise comes to the target")
    func target() throws {
        let model = ToyModel(vocabulary: 400)
        var options = GenerationOptions()
        options.samples = true
        options.temperature = 0.5
        options.maxNewTokens = 600
        options.mirostat = MirostatOptions(target: 6.3, rate: 0.1)
        let ids = try Generator(model: model, options: options).generate([GenerationPrompt(ids: [1])]).sequences[0][0]
            .ids
        var history: [Int32] = [1]
        var total = 0.0
        for (step, id) in ids.enumerated() {
            let logits = ToyModel.logits(after: history, vocabulary: 400).map { $0 / 0.5 }
            if step >= 100 { total -= logSoftmax(logits)[Int(id)] / ExactMathematics.log(2) }
            history.append(id)
        }
        #expect(abs(total / 500 - 6.3) < 0.1)
    }
}
