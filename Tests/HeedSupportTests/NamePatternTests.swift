import HeedSupport
import Testing

@Suite("Regular expressions for whole names")
struct NamePatternTests {
    @Test(
        "what matches",
        arguments: [
            ("q_proj", "q_proj", true), ("q_proj", "xq_proj", false), ("q_proj", "q_projx", false),
            (".*", "", true), ("", "", true), ("", "a", false), ("a|b", "b", true), ("a|b|", "", true),
            (#".*\.(q|v)_proj"#, "model.layers.0.self_attn.v_proj", true),
            (#".*\.(q|v)_proj"#, "model.layers.0.self_attn.k_proj", false),
            (#"h\.\d+\.attn"#, "h.12.attn", true), (#"h\.\d+\.attn"#, "h.x.attn", false),
            (#"layers\.([0-3]|1[0-9])\..*"#, "layers.13.mlp", true), (#"layers\.[^0-3]\..*"#, "layers.2.mlp", false),
            ("^a.c$", "abc", true), ("(?:^a|b$)", "b", true), ("a{2,3}", "aaaa", false), ("a{2,3}", "aaa", true),
            ("a{2,}?b??", "aaaa", true), ("a{x", "a{x", true), (#"[\w\-\]]+"#, "a-]", true), ("[]a]", "]", true),
            (#"\D\W\S"#, "a.b", true), ("(ab)*", "ababa", false), ("(a*)*b", "aaaab", true),
        ] as [(String, String, Bool)])
    func matches(expression: String, name: String, matches: Bool) throws {
        #expect(try NamePattern(expression).matches(name) == matches)
    }

    @Test("a pattern that a backtracking matcher cannot end with is quick")
    func linear() throws {
        let name = String(repeating: "a", count: 2000)
        #expect(try NamePattern("(a+)+(a|aa)*b").matches(name) == false)
        #expect(try NamePattern("(a|a)*").matches(name))
    }

    @Test(
        "what is broken or not known is an error that names it",
        arguments: [
            "(", ")", "a)", "[", "[a", "*", "a|+", #"\"#, #"(a)\1"#, "(?=a)", "[z-a]", "a{2000}", "a^b",
            "((a{1000}){1000}){1000}", String(repeating: "(", count: 200),
        ])
    func broken(expression: String) {
        let error = #expect(throws: HeedError.self) { try NamePattern(expression, in: "here") }
        #expect(error?.place == "here")
    }
}
