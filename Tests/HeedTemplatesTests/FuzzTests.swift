import HeedSupport
import HeedTemplates
import TestFixtures
import Testing

/// Whatever is done to a template, reading and rendering it ends in a text or an error with a place. `HEED_FUZZ` sets
/// how many templates there are in all (4,000 where it is not set).
@Suite("mutated templates")
struct FuzzTests {
    static let count = fuzzCount(4_000)
    static let limits = TemplateLimits(steps: 20_000, calls: 40, outputBytes: 1 << 16, memoryBytes: 1 << 20)

    /// Templates with every statement and many expressions, cut where pieces may be exchanged.
    static let seeds: [[String]] = {
        let tables =
            ExpressionTests.numbers + ExpressionTests.texts + ExpressionTests.logic + ExpressionTests.members
            + StatementTests.loops + StatementTests.scopes + StatementTests.macros + StatementTests.spaces
            + FilterTests.texts + FilterTests.numbers + FilterTests.lists + FilterTests.json + FilterTests.markup
            + FilterTests.tests + StringMethodTests.cases + StringMethodTests.parts + StringMethodTests.search
            + StringMethodTests.filling + StringMethodTests.percent + StringMethodTests.braces + TimeTests.formats
        return (tables.map(\.0) + LimitTests.hostile.map(\.1).filter { $0.utf8.count < 400 }).map(pieces)
    }()

    /// Words, spaces and single signs.
    static func pieces(_ template: String) -> [String] {
        var result: [String] = []
        var word = ""
        for scalar in template.unicodeScalars {
            if scalar.properties.isAlphabetic || scalar == "_" || scalar.properties.numericType != nil {
                word.unicodeScalars.append(scalar)
            } else {
                if !word.isEmpty { result.append(word) }
                word = ""
                result.append(String(scalar))
            }
        }
        return word.isEmpty ? result : result + [word]
    }

    static let words = [
        "{{", "}}", "{%", "%}", "-%}", "{%-", "{#", "#}", "(", ")", "[", "]", "{", "}", "|", ".", ":", ",", "'", "\"",
        "\\", "not", "in", "is", "if", "else", "loop", "loop(l)", "namespace()", "range(99999)", "9999999999999999999",
        "-1", "0", "1e308", "none", "ns", "self", "caller()", "m()", "é", "\u{0}", "😀", "|tojson", "|list", "*", "**",
        "%", "~", "undef", "l[::-1]", "'{:>99}'.format", "'%5s' %",
    ]

    static func mutated(_ random: inout SplitMix) -> String {
        var pieces = seeds.randomElement(using: &random) ?? []
        if Int.random(in: 0..<3, using: &random) == 0 {
            let other = seeds.randomElement(using: &random) ?? []
            let place = Int.random(in: 0...pieces.count, using: &random)
            pieces.insert(contentsOf: other, at: place)
        }
        for _ in 0..<Int.random(in: 1...6, using: &random) where !pieces.isEmpty {
            let place = Int.random(in: 0..<pieces.count, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: pieces.remove(at: place)
            case 1: pieces.insert(pieces.randomElement(using: &random) ?? "", at: place)
            case 2: pieces[place] = words.randomElement(using: &random) ?? ""
            case 3: pieces.insert(words.randomElement(using: &random) ?? "", at: place)
            case 4: pieces.swapAt(place, Int.random(in: 0..<pieces.count, using: &random))
            default: pieces.removeLast(pieces.count - place)
            }
        }
        return pieces.joined()
    }

    @Test("end in a text or an error with a place", arguments: 0..<8)
    func templates(part: Int) throws {
        var random = SplitMix(state: UInt64(part) + 1)
        let values = try TemplateVariables(json: Array(Example.variables.utf8))
        let now = CalendarTime("2026-03-09T14:05:06")
        var texts = 0
        for _ in 0..<FuzzTests.count / 8 {
            let source = FuzzTests.mutated(&random)
            do {
                let text = try ChatTemplate(source, limits: FuzzTests.limits).render(values, now: now)
                #expect(text.utf8.count <= FuzzTests.limits.outputBytes)
                texts += 1
            } catch let error as HeedError {
                if error.place?.hasPrefix("template, line ") != true || error.what.isEmpty {
                    Issue.record("\(error) of \(source)")
                }
            }
        }
        // Mutations that leave templates whole must be among them, or nothing was run.
        #expect(texts > FuzzTests.count / 80)
    }
}
