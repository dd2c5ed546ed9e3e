import HeedSupport
import HeedTemplates
import Testing

/// Filters and tests, as Jinja2 has them.
@Suite("filters and tests, as jinja2 has them")
struct FilterTests {
    /// Filters of texts.
    static let texts: [(String, String)] = [
        ("{{ s | upper }}", "HELLO, WÖRLD SS"),
        ("{{ s | lower }}", "hello, wörld ß"),
        ("{{ 'hello wORLD' | capitalize }}", "Hello world"),
        ("{{ 'a-b c_d (e) [f] {g} <h it\\'s' | title }}", "A-B C_d (E) [F] {G} <H It's"),
        ("{{ s | trim('Hß') }}", "ello, Wörld "),
        ("{{ '  x ' | trim }}", "x"),
        ("{{ s | replace('l', 'L', 1) }}", "HeLlo, Wörld ß"),
        ("{{ s | replace('', '-') }}", "-H-e-l-l-o-,- -W-ö-r-l-d- -ß-"),
        ("{{ ml | indent(2) }}", "line1\n    line2\n\n  end"),
        ("{{ ml | indent('>>', true, true) }}", ">>line1\n>>  line2\n>>\n>>end"),
        ("{{ s | truncate(5) }}", "He..."),
        ("{{ s | truncate(8, false, '!') }}", "Hello,!"),
        ("{{ s | truncate(8, leeway=0) }}", "Hello..."),
        ("{{ s | center(20) }}", "   Hello, Wörld ß   "),
        ("{{ s | wordcount }}", "3"),
        (
            "{{ 'The quick-brown fox jumps over a-very-long-hyphenated-word' | wordwrap(10) }}",
            "The quick-\nbrown fox\njumps over\na-very-\nlong-hyphe\nnated-word"
        ),
        ("{{ 'aaa bbb' | wordwrap(2, false) }}", "aaa\nbbb"),
        ("{{ '%s, %s!' | format('a', 1) }}", "a, 1!"),
        ("{{ '%(x)s' | format(x=2) }}", "2"),
        ("{{ none | string }}", "None"),
        ("{{ undef | string }}", ""),
        ("{{ undef | default('d') }}", "d"),
        ("{{ '' | default('d', true) }}", "d"),
        ("{{ none | d('d') }}", "None"),
        ("{{ s | length }}", "14"),
        ("{{ s | reverse }}", "ß dlröW ,olleH"),
        ("{{ s | first }}", "H"),
        ("{{ s | list }}", "['H', 'e', 'l', 'l', 'o', ',', ' ', 'W', 'ö', 'r', 'l', 'd', ' ', 'ß']"),
        ("{{ s | urlencode }}", "Hello%2C%20W%C3%B6rld%20%C3%9F"),
        ("{{ d | urlencode }}", "k=v&z=1&a=None&n=%7B%27m%27%3A+%5B1%2C+2%5D%7D"),
        ("{{ ml | striptags }}", "line1 line2 end"),
    ]

    /// Filters of numbers.
    static let numbers: [(String, String)] = [
        ("{{ 1.5 | int }}", "1"),
        ("{{ -1.5 | int }}", "-1"),
        ("{{ '12.7' | int }}", "12"),
        ("{{ 'a' | int(5) }}", "5"),
        ("{{ '0x1f' | int(base=16) }}", "31"),
        ("{{ none | int }}", "0"),
        ("{{ '1_0' | int }}", "10"),
        ("{{ '1.5' | float }}", "1.5"),
        ("{{ 'x' | float(2) }}", "2"),
        ("{{ 'inf' | float }}", "inf"),
        ("{{ 2.5 | round }}", "2.0"),
        ("{{ -2.5 | round }}", "-2.0"),
        ("{{ 3.14159 | round(2) }}", "3.14"),
        ("{{ 42.55 | round(1, 'floor') }}", "42.5"),
        ("{{ 42.1 | round(0, 'ceil') }}", "43.0"),
        ("{{ 1234 | round(-2) }}", "1200"),
        ("{{ 42 | round }}", "42"),
        ("{{ neg | abs }}", "7"),
        ("{{ 1500 | filesizeformat }}", "1.5 kB"),
        ("{{ 1048576 | filesizeformat(true) }}", "1.0 MiB"),
        ("{{ 1 | filesizeformat }}", "1 Byte"),
    ]

    /// Filters of lists and dictionaries.
    static let lists: [(String, String)] = [
        ("{{ l | sort }}", "[1, 2, 3]"),
        ("{{ ls | sort }}", "['A', 'b', 'c']"),
        ("{{ ls | sort(case_sensitive=true) }}", "['A', 'b', 'c']"),
        ("{{ l | sort(reverse=true) }}", "[3, 2, 1]"),
        ("{{ ld | sort(attribute='a,b') }}", "[{'a': 1, 'b': 'x'}, {'a': 1, 'b': 'z'}, {'a': 2, 'b': 'Y'}]"),
        ("{{ l | min }}", "1"),
        ("{{ ls | max }}", "c"),
        ("{{ ld | max(attribute='a') }}", "{'a': 2, 'b': 'Y'}"),
        ("{{ [] | min }}", ""),
        ("{{ l | sum }}", "6"),
        ("{{ ld | sum(attribute='a', start=10) }}", "14"),
        ("{{ l | join }}", "312"),
        ("{{ ls | join(', ') }}", "b, A, c"),
        ("{{ ld | join('-', attribute='b') }}", "x-Y-z"),
        ("{{ l | first }}", "3"),
        ("{{ l | last }}", "2"),
        ("{{ [] | first }}", ""),
        ("{{ l | reverse | list }}", "[2, 1, 3]"),
        ("{{ ls | unique | list }}", "['b', 'A', 'c']"),
        ("{{ ['a', 'A'] | unique(true) | list }}", "['a', 'A']"),
        ("{{ ld | unique(attribute='a') | list }}", "[{'a': 1, 'b': 'x'}, {'a': 2, 'b': 'Y'}]"),
        ("{{ l | batch(2, 'x') | list }}", "[[3, 1], [2, 'x']]"),
        ("{{ l | slice(2) | list }}", "[[3, 1], [2]]"),
        ("{{ l | slice(2, 'x') | list }}", "[[3, 1], [2, 'x']]"),
        ("{{ d | dictsort }}", "[('a', None), ('k', 'v'), ('n', {'m': [1, 2]}), ('z', 1)]"),
        ("{{ {'b': 1, 'A': 2} | dictsort(true) }}", "[('A', 2), ('b', 1)]"),
        ("{{ {'b': 1, 'A': 2} | dictsort(false, 'value') }}", "[('b', 1), ('A', 2)]"),
        ("{{ d | items | list }}", "[('k', 'v'), ('z', 1), ('a', None), ('n', {'m': [1, 2]})]"),
        ("{{ d | length }}", "4"),
        ("{{ ld | map(attribute='b') | list }}", "['x', 'Y', 'z']"),
        ("{{ ld | map(attribute='q', default='z') | list }}", "['z', 'z', 'z']"),
        ("{{ ls | map('upper') | join }}", "BAC"),
        ("{{ ls | map('replace', 'b', 'x') | list }}", "['x', 'A', 'c']"),
        ("{{ l | select('odd') | list }}", "[3, 1]"),
        ("{{ l | reject('odd') | list }}", "[2]"),
        ("{{ [0, 1, ''] | select | list }}", "[1]"),
        ("{{ ld | selectattr('a', 'gt', 1) | list }}", "[{'a': 2, 'b': 'Y'}]"),
        ("{{ ld | selectattr('b', 'in', ['x', 'z']) | map(attribute='b') | list }}", "['x', 'z']"),
        ("{{ ld | rejectattr('a', 'equalto', 1) | list }}", "[{'a': 2, 'b': 'Y'}]"),
        (
            "{{ ld | groupby('a') | list }}",
            "[(1, [{'a': 1, 'b': 'x'}, {'a': 1, 'b': 'z'}]), (2, [{'a': 2, 'b': 'Y'}])]"
        ),
        ("{{ ld | groupby('a') | map(attribute='list') | map('length') | list }}", "[2, 1]"),
        ("{{ 'abc' | attr('upper') is callable }}", "True"),
        ("{{ d | attr('k') }}", ""),
        ("{{ undef | list }}", "[]"),
        ("{{ undef | join }}", ""),
        ("{{ d | xmlattr }}", " k=\"v\" z=\"1\" n=\"{&#39;m&#39;: [1, 2]}\""),
        ("{{ l | pprint }}", "[3, 1, 2]"),
    ]

    /// Values as JSON.
    static let json: [(String, String)] = [
        ("{{ d | tojson }}", "{\"k\": \"v\", \"z\": 1, \"a\": null, \"n\": {\"m\": [1, 2]}}"),
        ("{{ nested | tojson(indent=2) }}", "[\n  [\n    1,\n    2\n  ],\n  [\n    3,\n    [\n      4\n    ]\n  ]\n]"),
        ("{{ [[], {}] | tojson(indent=2) }}", "[\n  [],\n  {}\n]"),
        ("{{ s | tojson }}", "\"Hello, Wörld ß\""),
        ("{{ s | tojson(ensure_ascii=true) }}", "\"Hello, W\\u00f6rld \\u00df\""),
        ("{{ '😀\\x7f' | tojson(true) }}", "\"\\ud83d\\ude00\\u007f\""),
        ("{{ '\\x01\\x08\\x0c/<>&\\'\"' | tojson }}", "\"\\u0001\\b\\f/<>&'\\\"\""),
        ("{{ {1: 2, none: 3, true: 4, 1.5: 5} | tojson }}", "{\"1\": 4, \"null\": 3, \"1.5\": 5}"),
        ("{{ (1, 2.0, 1e16) | tojson }}", "[1, 2.0, 1e+16]"),
        ("{{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }}", "{\"a\": 2, \"b\": 1}"),
        ("{{ d | tojson(separators=(',', ':')) }}", "{\"k\":\"v\",\"z\":1,\"a\":null,\"n\":{\"m\":[1,2]}}"),
        (
            "{{ d | tojson(indent='\\t', sort_keys=true) }}",
            "{\n\t\"a\": null,\n\t\"k\": \"v\",\n\t\"n\": {\n\t\t\"m\": [\n\t\t\t1,\n\t\t\t2\n\t\t]\n\t},\n\t\"z\": 1\n}"
        ),
        ("{{ 1e400 | tojson }}", "Infinity"),
        ("{{ d | tojson(indent=0) }}", "{\n\"k\": \"v\",\n\"z\": 1,\n\"a\": null,\n\"n\": {\n\"m\": [\n1,\n2\n]\n}\n}"),
    ]

    /// Text that is marked as safe.
    static let markup: [(String, String)] = [
        ("{{ html | e }}", "&lt;a href=&#34;x&#34;&gt;&amp;&#39;&lt;/a&gt;"),
        ("{{ html | e | e }}", "&lt;a href=&#34;x&#34;&gt;&amp;&#39;&lt;/a&gt;"),
        ("{{ (html | e) + '<' }}", "&lt;a href=&#34;x&#34;&gt;&amp;&#39;&lt;/a&gt;&lt;"),
        ("{{ '<' + (html | e) }}", "&lt;&lt;a href=&#34;x&#34;&gt;&amp;&#39;&lt;/a&gt;"),
        ("{{ (html | e) ~ '<' }}", "&lt;a href=&#34;x&#34;&gt;&amp;&#39;&lt;/a&gt;<"),
        ("{{ '<' + (html | safe) }}", "&lt;<a href=\"x\">&'</a>"),
        ("{{ [html | e] }}", "[Markup('&lt;a href=&#34;x&#34;&gt;&amp;&#39;&lt;/a&gt;')]"),
        ("{{ (html | e)[0:3] }}", "&lt"),
        ("{{ (html | e).replace('a', '<') }}", "&lt;&lt; href=&#34;x&#34;&gt;&&lt;mp;&#39;&lt;/&lt;&gt;"),
        ("{{ '<'.join([html | e]) }}", "&lt;a href=&#34;x&#34;&gt;&amp;&#39;&lt;/a&gt;"),
        ("{{ ('%s<' | safe) % '<' }}", "&lt;<"),
        ("{{ ('{}<' | safe).format('<') }}", "&lt;<"),
        ("{{ html | e is escaped }}", "True"),
        ("{{ html | striptags }}", "&'"),
        ("{{ html | forceescape }}", "&lt;a href=&#34;x&#34;&gt;&amp;&#39;&lt;/a&gt;"),
        ("{{ {'a': html} | xmlattr(false) }}", "a=\"&lt;a href=&#34;x&#34;&gt;&amp;&#39;&lt;/a&gt;\""),
        ("{{ html | e | upper }}", "&LT;A HREF=&#34;X&#34;&GT;&AMP;&#39;&LT;/A&GT;"),
    ]

    /// Tests.
    static let tests: [(String, String)] = [
        ("{{ n is divisibleby 3 }}", "True"),
        ("{{ n is divisibleby(2) }}", "True"),
        ("{{ n is even }}", "True"),
        ("{{ neg is odd }}", "True"),
        ("{{ undef is defined }}", "False"),
        ("{{ undef is not defined }}", "True"),
        ("{{ no is none }}", "True"),
        ("{{ t is boolean }}", "True"),
        ("{{ t is true }}", "True"),
        ("{{ 1 is true }}", "False"),
        ("{{ n is integer }}", "True"),
        ("{{ f is float }}", "True"),
        ("{{ t is number }}", "True"),
        ("{{ s is string }}", "True"),
        ("{{ d is mapping }}", "True"),
        ("{{ l is sequence }}", "True"),
        ("{{ d.items() is sequence }}", "False"),
        ("{{ l is iterable }}", "True"),
        ("{{ n is iterable }}", "False"),
        ("{{ s.upper is callable }}", "True"),
        ("{{ 'ABC' is upper }}", "True"),
        ("{{ 'aBC' is lower }}", "False"),
        ("{{ n is eq 42 }}", "True"),
        ("{{ n is in [1, 42] }}", "True"),
        ("{{ n is not in [1] }}", "True"),
        ("{{ t is sameas true }}", "True"),
        ("{{ 1 is sameas true }}", "False"),
        ("{{ 'upper' is filter }}", "True"),
        ("{{ 'nosuch' is filter }}", "False"),
        ("{{ 'eq' is test }}", "True"),
        ("{{ n is gt 1 and n is lt 50 }}", "True"),
    ]

    /// What raises in Jinja, or is malformed.
    static let refused: [String] = [
        "{{ 1 | upper(1) }}",
        "{{ 5 | length }}",
        "{{ none | length }}",
        "{{ 5 | list }}",
        "{{ 5 | first }}",
        "{{ (l | map('upper')) | last }}",
        "{{ d | tojson(nosuch=1) }}",
        "{{ undef | tojson }}",
        "{{ range(3) | tojson }}",
        "{{ {(1, 2): 3} | tojson }}",
        "{{ [1, 'a'] | sort }}",
        "{{ [1, 'a'] | sum }}",
        "{{ ['a'] | sum }}",
        "{{ l | map('nosuch') | list }}",
        "{{ l | select('nosuch') | list }}",
        "{{ l | batch }}",
        "{{ l | round }}",
        "{{ 'x' | abs }}",
        "{{ 'a' | divisibleby }}",
        "{{ none | abs }}",
        "{{ l | dictsort }}",
        "{{ 1e400 | int }}",
        "{{ 'a' | truncate(1) }}",
        "{{ {'a b': 1} | xmlattr }}",
        "{{ l | items | list }}",
    ]

    @Test("filters of texts", arguments: texts)
    func textsRender(template: String, expected: String) throws {
        #expect(try Example.render(template) == expected)
    }

    @Test("filters of numbers", arguments: numbers)
    func numbersRender(template: String, expected: String) throws {
        #expect(try Example.render(template) == expected)
    }

    @Test("filters of lists and dictionaries", arguments: lists)
    func listsRender(template: String, expected: String) throws {
        #expect(try Example.render(template) == expected)
    }

    @Test("values as json", arguments: json)
    func jsonRender(template: String, expected: String) throws {
        #expect(try Example.render(template) == expected)
    }

    @Test("text that is marked as safe", arguments: markup)
    func markupRender(template: String, expected: String) throws {
        #expect(try Example.render(template) == expected)
    }

    @Test("tests", arguments: tests)
    func testsRender(template: String, expected: String) throws {
        #expect(try Example.render(template) == expected)
    }

    @Test("what must fail", arguments: refused)
    func fails(template: String) {
        #expect(throws: HeedError.self) { try Example.render(template) }
    }
}
