import HeedSupport
import HeedTemplates
import Testing

/// Templates that were made to do harm end with an error, in bounded time and memory.
@Suite("hostile templates")
struct LimitTests {
    static let limits = TemplateLimits(steps: 2_000_000, calls: 190, outputBytes: 1 << 20, memoryBytes: 32 << 20)

    static let hostile: [(String, String)] = [
        ("nested loops", "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"),
        ("silent loops", "{% for a in range(99999) %}{% for b in range(99999) if false %}{% endfor %}{% endfor %}"),
        (
            "generators",
            "{% set g = range(99999) | map('string') | list %}{% for a in g %}{{ g | join | length }}{% endfor %}"
        ),
        (
            "doubled text",
            "{% set ns = namespace(s='aaaaaaaa') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}"
        ),
        (
            "doubled list",
            "{% set ns = namespace(l=[1, 2]) %}{% for i in range(99) %}{% set ns.l = ns.l + ns.l %}{% endfor %}"
        ),
        (
            "doubled output",
            "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}xxxxxxxx{% endmacro %}{{ m(60) }}"
        ),
        ("multiplied text", "{{ 'x' * 999999999999 }}"),
        ("multiplied list", "{{ ([0] * 999999999999) | length }}"),
        ("multiplied beyond integers", "{{ 'xx' * (2 ** 63) }}"),
        ("replaced text", "{{ ('a' * 100000).replace('a', 'b' * 100000) }}"),
        ("joined text", "{{ ('b' * 100000).join(('a' * 100000)) }}"),
        ("a wide format", "{{ '%9999999999d' % 1 }}"),
        ("a wide alignment", "{{ '{:>99999999999}'.format(1) }}"),
        ("a precise number", "{{ '{:.99999999999f}'.format(1.5) }}"),
        ("a wide centre", "{{ 'x' | center(99999999999) }}"),
        ("a deep indentation", "{{ [[[1]]] | tojson(indent=99999999999) }}"),
        ("indented lines", "{{ ('\\n' * 100000) | indent(100000, true, true) }}"),
        (
            "many lists",
            "{% set ns = namespace(l=[]) %}{% for i in range(99999) %}{% set ns.l = [range(9999) | list, ns.l[:1]] %}{% endfor %}"
        ),
        ("deep recursion", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"),
        (
            "recursion through a caller",
            "{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{% endmacro %}{{ m() }}"
        ),
        ("a loop in itself", "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}"),
        ("a block in itself", "{% block a %}{{ self.a() }}{% endblock %}"),
        ("a deep list", "{% set ns = namespace(l=[]) %}{% for i in range(99999) %}{% set ns.l = [ns.l] %}{% endfor %}"),
        (
            "a deep dictionary",
            "{% set ns = namespace(l={}) %}{% for i in range(99999) %}{% set ns.l = {'a': ns.l} %}{% endfor %}"
        ),
        (
            "deep generators",
            "{% set ns = namespace(g=[1]) %}{% for i in range(99999) %}{% set ns.g = ns.g | map('string') %}{% endfor %}{{ ns.g | list }}"
        ),
        (
            "a doubled tree",
            "{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}"
        ),
        (
            "trees compared",
            "{% set ns = namespace(a=[1], b=[1]) %}{% for i in range(60) %}{% set ns.a = [ns.a, ns.a] %}{% set ns.b = [ns.b, ns.b] %}{% endfor %}{{ ns.a == ns.b }}"
        ),
        (
            "trees as keys",
            "{% set ns = namespace(a=(1,)) %}{% for i in range(60) %}{% set ns.a = (ns.a, ns.a) %}{% endfor %}{{ {ns.a: 1} }}"
        ),
        (
            "trees as JSON",
            "{% set ns = namespace(a=[1]) %}{% for i in range(60) %}{% set ns.a = [ns.a, ns.a] %}{% endfor %}{{ ns.a | tojson }}"
        ),
        ("brackets", String(repeating: "{{ ", count: 1) + String(repeating: "(", count: 5000) + "1"),
        ("nested lists", "{{ " + String(repeating: "[", count: 5000) + String(repeating: "]", count: 5000) + " }}"),
        ("signs", "{{ " + String(repeating: "-", count: 5000) + "1 }}"),
        ("negations", "{{ " + String(repeating: "not ", count: 5000) + "1 }}"),
        ("a long sum", "{{ 1" + String(repeating: " + 1", count: 5000) + " }}"),
        ("a long chain of filters", "{{ 1" + String(repeating: "|string", count: 5000) + " }}"),
        ("a long path", "{{ a" + String(repeating: ".a", count: 5000) + " }}"),
        (
            "nested statements",
            String(repeating: "{% if 1 %}", count: 5000) + String(repeating: "{% endif %}", count: 5000)
        ),
        ("a big power", "{{ 9 ** 999999 }}"),
        ("a big integer", "{{ " + String(repeating: "9", count: 5000) + " }}"),
        ("an overflow", "{{ 99999999999999999999999999999999999999 * 99999999999 }}"),
    ]

    @Test("ends with an error", arguments: hostile)
    func ends(name: String, template: String) {
        let error = #expect(throws: HeedError.self, "\(name)") {
            try Example.render(template, limits: LimitTests.limits)
        }
        #expect(error?.place?.hasPrefix("template, line ") ?? false, "\(error?.description ?? "")")
    }

    static let circular = [
        "{% set ns = namespace() %}{% set ns.me = ns %}{% set ns.l = [ns, ns] %}{{ ns.l[0].me.l | length }}",
        "{% set ns = namespace() %}{% macro m() %}{{ ns.m is callable }}{% endmacro %}{% set ns.m = m %}{{ m() }}",
        "{% set ns = namespace() %}{% for i in range(20000) %}{% set n = namespace() %}{% set l = [n] %}"
            + "{% set n.x = ns.l %}{% set ns.l = l %}{% endfor %}{{ ns.l | length }}",
        "{% set ns = namespace(l=0) %}{% for i in range(20000) %}{% for j in [1] %}{% set k = loop.changed(ns.l) %}"
            + "{% set ns.l = [loop] %}{% endfor %}{% endfor %}{{ ns.l | length }}",
    ]

    @Test("circles and long chains of values are freed", arguments: circular)
    func circles(template: String) throws {
        let text = try Example.render(template)
        #expect(["2", "True", "1"].contains(text))
    }

    @Test("an error names template, line and reason")
    func messages() throws {
        func message(_ template: String) -> String {
            do {
                _ = try ChatTemplate(template, name: "chat.jinja").render(TemplateVariables())
                return ""
            } catch { return "\(error)" }
        }
        #expect(message("a\n\n{{ messages[0].role }}") == "chat.jinja, line 3: \"messages\" is undefined.")
        #expect(
            message("\n{{ raise_exception('Roles must alternate!') }}") == "chat.jinja, line 2: Roles must alternate!")
        #expect(
            message("{% set d = {} %}\n{{ d.tools + 1 }}").contains("line 2: a dict object has no attribute \"tools\""))
        #expect(message("\n\n{% iff x %}").contains("chat.jinja, line 3: there is no tag \"iff\". Did you mean if?"))
        #expect(message("{{ x|uper }}").contains("there is no filter \"uper\". Did you mean upper?"))
        #expect(message("{% for i in [1] %}").contains("expected endfor or else") == false)
        #expect(message("{% for i in [1] %}").contains("Expected endfor or else"))
    }

    @Test("a template that is too long is refused")
    func longSource() {
        #expect(throws: HeedError.self) { try ChatTemplate(String(repeating: "x", count: 9 << 20)) }
    }

    @Test("variables of any depth are read or refused, and integers of 128 bits stay exact")
    func variables() throws {
        let deep = String(repeating: "[", count: 500) + String(repeating: "]", count: 500)
        var variables = try TemplateVariables(
            json: Array("{\"a\": \(deep), \"b\": 123456789012345678901234567890}".utf8))
        #expect(try ChatTemplate("{{ b }}").render(variables) == "123456789012345678901234567890")
        #expect(try ChatTemplate("{{ a|tojson }}").render(variables) == deep)
        var nested = JSON.array([])
        for _ in 0..<600 { nested = .array([nested]) }
        #expect(throws: HeedError.self) { try variables.set("c", to: nested) }
        #expect(throws: HeedError.self) { try TemplateVariables(json: Array("[1]".utf8)) }
    }
}
