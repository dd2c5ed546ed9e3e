import HeedSupport
import HeedTemplates

/// The variables and the time that the tables of expected texts were made with.
enum Example {
    static let variables = """
        {"s": "Hello, Wörld ß", "e": "", "n": 42, "neg": -7, "f": 3.25, "t": true, "no": null, "l": [3, 1, 2],
         "ls": ["b", "A", "c"], "ld": [{"a": 1, "b": "x"}, {"a": 2, "b": "Y"}, {"a": 1, "b": "z"}],
         "d": {"k": "v", "z": 1, "a": null, "n": {"m": [1, 2]}}, "nested": [[1, 2], [3, [4]]],
         "html": "<a href=\\"x\\">&'</a>", "ml": "line1\\n  line2\\n\\nend"}
        """

    /// The text that a template makes of them.
    static func render(_ template: String, limits: TemplateLimits = .standard) throws -> String {
        let values = try TemplateVariables(json: Array(variables.utf8))
        return try ChatTemplate(template, limits: limits).render(values, now: CalendarTime("2026-03-09T14:05:06"))
    }
}
