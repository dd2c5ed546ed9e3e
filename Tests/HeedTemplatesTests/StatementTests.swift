import HeedSupport
import HeedTemplates
import Testing

/// Statements, as Jinja2 runs them.
@Suite("statements, as jinja2 runs them")
struct StatementTests {
    /// Loops.
    static let loops: [(String, String)] = [
        (
            "{% for i in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.depth }}{{ loop.cycle('a', 'b') }};{% endfor %}",
            "10TrueFalse33211a;21FalseFalse321321b;32FalseTrue31011a;"
        ),
        ("{% for i in [1, 1, 2] %}{{ loop.changed(i) }}{% endfor %}", "TrueFalseTrue"),
        ("{% for i in [] %}x{% else %}empty{% endfor %}", "empty"),
        ("{% for i in [1, 2] %}{% continue %}{% else %}e{% endfor %}", "e"),
        ("{% for i in [1, 2, 3] %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}", "1"),
        ("{% for i in [1] %}{% break %}{% else %}e{% endfor %}", "e"),
        ("{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "k=v;z=1;a=None;n={'m': [1, 2]};"),
        ("{% for c in 'aé' %}{{ c }},{% endfor %}", "a,é,"),
        ("{% for i in undef %}x{% endfor %}ok", "ok"),
        ("{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "123"),
        (
            "{% for i in range(6) if i is odd %}{{ i }}{{ loop.index }}{{ loop.last }}{{ loop.length }};{% endfor %}",
            "11False3;32False3;53True3;"
        ),
        ("{% for i in l if i > 5 %}x{% else %}none{% endfor %}", "none"),
        (
            "{% for i in nested recursive %}{% if i is iterable %}[{{ loop(i) }}]{% else %}{{ i }}{{ loop.depth }}{% endif %}{% endfor %}",
            "[1222][32[43]]"
        ),
        (
            "{% for i in [1, 2] %}{% set outer = loop %}{% for j in 'ab' %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}",
            "11 12 21 22 "
        ),
        ("{% for i in l %}{{ loop }}{% endfor %}", "<LoopContext 1/3><LoopContext 2/3><LoopContext 3/3>"),
        ("{% set g = l | select('odd') %}{% for i in g %}{{ i }}{% endfor %}{% for i in g %}again{% endfor %}", "31"),
        (
            "{% set ns = namespace(p=0) %}{% for i in [1, 1, 2, 2] if i != ns.p %}{% set ns.p = i %}{{ i }}{% endfor %}",
            "12"
        ),
    ]

    /// Where names are seen.
    static let scopes: [(String, String)] = [
        ("{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = i + 5 %}{{ x }}{% endfor %}{{ x }}", "16171"),
        ("{% for i in [1, 2] %}{{ x }}{% set x = i %}{{ x }}{% endfor %}{{ x }}", "12"),
        ("{% if true %}{% set q = 1 %}{% endif %}{{ q }}", "1"),
        ("{% if false %}{% set s = 1 %}{% endif %}{{ s }}", "Hello, Wörld ß"),
        ("{% set s %}{{ s }}!{% endset %}{{ s }}", "!"),
        ("{% set a, b = 1, 2 %}{{ a }}{{ b }}", "12"),
        ("{% set a = 1, 2 %}{{ a }}", "(1, 2)"),
        (
            "{% set ns = namespace(x=1) %}{% for i in [1, 2] %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}{{ ns }}",
            "4<Namespace {'x': 4}>"
        ),
        ("{% set ns = namespace() %}{{ ns.q }}|{{ ns.q is defined }}", "|False"),
        ("{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns['b'] }}", "12"),
        ("{% set ns = namespace() %}{% set ns.me = ns %}{{ ns }}", "<Namespace {'me': <Namespace {...}>}>"),
        ("{% with a = 1 %}{% with a = a + 1, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}{% endwith %}{{ a }}", "211"),
        ("{% generation %}{% set g = 1 %}{{ g }}{% endgeneration %}{{ g }}", "1"),
        ("{% macro m() %}{{ x }}{% endmacro %}{% set x = 1 %}{{ m() }}", "1"),
        ("{% set x = 1 %}{% macro m() %}{{ x }}{% set x = 2 %}{{ x }}{% endmacro %}{{ m() }}{{ x }}", "121"),
        ("{% for i in [1, 2] %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}", "12"),
        ("{% for i in [1, 2] %}{% block b scoped %}{{ i }}{% endblock %}{% endfor %}", "12"),
        ("{% for i in [1, 2] %}{% block b %}{{ i }}{% endblock %}{% endfor %}", ""),
        ("{% set q = 1 %}{% block a %}{{ q }}{% set r = 2 %}{% endblock %}{{ r }}{{ self.a() }}", "11"),
    ]

    /// Macros, calls and captured text.
    static let macros: [(String, String)] = [
        (
            "{% macro m(a, b=2, c=a) %}{{ a }}{{ b }}{{ c }}|{{ varargs }}|{{ kwargs }}{% endmacro %}{{ m(1) }}{{ m(1, b=5) }}{{ m(1, 2, 3, 4, 5) }}{{ m(a=1, z=3) }}{{ m() }}",
            "121|()|{}151|()|{}123|(4, 5)|{}121|()|{'z': 3}2|()|{}"
        ),
        ("{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}x{{ n }}{% endcall %}", "[x42]"),
        ("{% macro m() %}{{ caller(1, 2) }}{% endmacro %}{% call(a, b) m() %}{{ a }}{{ b }}{% endcall %}", "12"),
        ("{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}", "False"),
        ("{% macro f(n) %}{{ n if n < 2 else n * (f(n - 1) | int) }}{% endmacro %}{{ f(5) }}", "120"),
        (
            "{% macro m(a) %}{% endmacro %}{{ m.name }}{{ m.arguments }}{{ m.catch_kwargs }}{{ m }}",
            "m('a',)False<Macro 'm'>"
        ),
        ("{% macro m(a=b, b=1) %}{{ a }}{{ b }}{% endmacro %}{{ m() }}", "1"),
        ("{% set u | replace('a', 'b') | upper %}a{{ n }}{% endset %}{{ u }}", "B42"),
        ("{% filter replace('a', 'b') | upper %}abc{% endfilter %}", "BBC"),
        ("{% generation %}a{{ n }}{% endgeneration %}", "a42"),
        ("{% print 1, 2, 'a' %}", "12a"),
        (
            "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.current }}{{ c.next() }}{{ c.next() }}{{ c.reset() }}{{ c.next() }}",
            "abbaNonea"
        ),
        ("{% set j = joiner('|') %}{{ j() }}a{{ j() }}b{{ j() }}", "a|b|"),
        ("{% if 0 %}a{% elif 1 %}b{% else %}d{% endif %}", "b"),
        ("{% if false %}{{ 1 | nosuch }}{% include 'x' %}{{ raise_exception('x') }}{% endif %}a", "a"),
        (
            "{% autoescape true %}{{ html }}{{ html | safe }}{{ '<' ~ html }}{% endautoescape %}{{ html }}",
            "&lt;a href=&#34;x&#34;&gt;&amp;&#39;&lt;/a&gt;<a href=\"x\">&'</a>&lt;&lt;a href=&#34;x&#34;&gt;&amp;&#39;&lt;/a&gt;<a href=\"x\">&'</a>"
        ),
    ]

    /// White space around tags.
    static let spaces: [(String, String)] = [
        ("a\n  {% if 1 %}\nb\n  {% endif %}\nc\n", "a\nb\nc"),
        ("a  {%- if 1 -%}  b  {%- endif -%}  c", "abc"),
        ("  {%+ if 1 %}x{% endif +%}\ny", "  x\ny"),
        ("{% if 1 +%}\nx{% endif %}", "\nx"),
        ("{{ 1 -}}  \n x", "1x"),
        ("x \n {{- 1 }}", "x1"),
        ("\n{% set x=1 %}\n\n{{ x }}\n", "\n\n1"),
        ("\r\n{% set x=1 %}\r\na\rb", "\na\nb"),
        ("a\n\n", "a\n"),
        ("   {# c #}   \nx", "   \nx"),
        ("   {{ 1 }}", "   1"),
        ("\t{% if 1 %}\t{% endif %}\t\n", "\t\t"),
        ("{% if 1 -%}\n\n x\n{%- endif %}\n\ny", "x\ny"),
        ("  {% for i in [1, 2] %}\n    {{ i }}\n  {% endfor %}\nend", "    1\n    2\nend"),
        ("{{- 'a' -}} b {{+ 'c' }}", "ab c"),
        ("{%if 1%}x{%endif%}", "x"),
        ("{#\n c\n#}\nx", "x"),
        ("x{#-\n c\n+#}\nx", "x\nx"),
        ("{% raw %}\n{{ x }}\n{% endraw %}\ny", "\n{{ x }}\ny"),
        ("{%- raw -%} {{ x }} {%- endraw -%} a", "{{ x }}a"),
        ("{{ '}}' }}{{ {'a': {'b': 1}} }}", "}}{'a': {'b': 1}}"),
        ("\u{A0}{% if 1 %}x{% endif %}", "x"),
    ]

    /// What raises in Jinja, or is malformed.
    static let refused: [String] = [
        "{{ raise_exception('x') }}",
        "{{ namespace(undef, a=1) }}",
        "{% for i in 5 %}{% endfor %}",
        "{% for a, b in [(1, 2, 3)] %}{% endfor %}",
        "{% for i in [1] %}{{ loop([2]) }}{% endfor %}",
        "{% set a, b = [1] %}",
        "{% set x.y = 1 %}",
        "{% set d.k = 1 %}",
        "{% set ns = namespace() %}{% set ns._a = 1 %}",
        "{% set true = 1 %}",
        "{% set u | replace(qq, 'b') %}a{% endset %}",
        "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}",
        "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}",
        "{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}",
        "{% macro m(a, a) %}{% endmacro %}",
        "{% macro m(a=1, b) %}{% endmacro %}",
        "{% macro m(caller) %}{{ caller }}{% endmacro %}",
        "{% call m %}{% endcall %}",
        "{% for i in [1] %}{% set loop = 1 %}{% endfor %}",
        "{% for i in [1] %}{% generation %}{% break %}{% endgeneration %}{% endfor %}",
        "{% break %}",
        "{% block a %}{% endblock %}{% block a %}{% endblock %}",
        "{% block a required %} {% endblock %}",
        "{% include 'x' %}",
        "{% extends 'x' %}",
        "{% from 'x' import y %}",
        "{% do x %}",
        "{% endif %}",
        "{% if %}{% endif %}",
        "{% if 1 %}",
        "{% if 1 %}{% else %}{% elif 2 %}{% endif %}",
        "{% set %}",
        "{# open",
        "{{ 1 | nosuch }}",
        "{{ 1 is nosuch }}",
    ]

    @Test("loops", arguments: loops)
    func loopsRender(template: String, expected: String) throws {
        #expect(try Example.render(template) == expected)
    }

    @Test("where names are seen", arguments: scopes)
    func scopesRender(template: String, expected: String) throws {
        #expect(try Example.render(template) == expected)
    }

    @Test("macros, calls and captured text", arguments: macros)
    func macrosRender(template: String, expected: String) throws {
        #expect(try Example.render(template) == expected)
    }

    @Test("white space around tags", arguments: spaces)
    func spacesRender(template: String, expected: String) throws {
        #expect(try Example.render(template) == expected)
    }

    @Test("what must fail", arguments: refused)
    func fails(template: String) {
        #expect(throws: HeedError.self) { try Example.render(template) }
    }
}
