import HeedSupport
import HeedTemplates
import Testing

/// Operators, literals and members, as Jinja2 computes them.
@Suite("operators, literals and members, as jinja2 computes them")
struct ExpressionTests {
    /// Numbers and arithmetic.
    static let numbers: [(String, String)] = [
        ("{{ 1.0 }}", "1.0"),
        ("{{ 1e16 }}", "1e+16"),
        ("{{ 1e15 }}", "1000000000000000.0"),
        ("{{ 1e-4 }}", "0.0001"),
        ("{{ 1e-5 }}", "1e-05"),
        ("{{ 0.1 + 0.2 }}", "0.30000000000000004"),
        ("{{ 1 / 3 }}", "0.3333333333333333"),
        ("{{ 7 // 2 }}", "3"),
        ("{{ -7 // 2 }}", "-4"),
        ("{{ 7 % -3 }}", "-2"),
        ("{{ -7.5 // 2 }}", "-4.0"),
        ("{{ -7.5 % 2 }}", "0.5"),
        ("{{ 2 ** 10 }}", "1024"),
        ("{{ 2 ** -1 }}", "0.5"),
        ("{{ -2 ** 2 }}", "4"),
        ("{{ 2 ** 3 ** 2 }}", "64"),
        ("{{ 1_000 }}", "1000"),
        ("{{ 0x1F }}", "31"),
        ("{{ 0b101 }}", "5"),
        ("{{ 0o17 }}", "15"),
        ("{{ true + 1 }}", "2"),
        ("{{ 1 == 1.0 }}", "True"),
        ("{{ neg | abs }}", "7"),
        ("{{ 12345678901234567890 * 2 }}", "24691357802469135780"),
        ("{{ -0.0 }}", "-0.0"),
        ("{{ 1e400 }}", "inf"),
        ("{{ n / 2 }}", "21.0"),
        ("{{ n // 5.0 }}", "8.0"),
        ("{{ 2 ** 0.5 }}", "1.4142135623730951"),
    ]

    /// Strings and lists.
    static let texts: [(String, String)] = [
        ("{{ 'a' + 'b' }}", "ab"),
        ("{{ 'a' 'b' }}", "ab"),
        ("{{ 'ab' * 3 }}", "ababab"),
        ("{{ -1 * 'a' }}", ""),
        ("{{ [1] * 2 }}", "[1, 1]"),
        ("{{ [1] + [2] }}", "[1, 2]"),
        ("{{ (1,) }}", "(1,)"),
        ("{{ () }}", "()"),
        ("{{ [1, [2, (3,)]] }}", "[1, [2, (3,)]]"),
        ("{{ {'a': 1, 'b': [none, true]} }}", "{'a': 1, 'b': [None, True]}"),
        ("{{ {1: 2, 1.0: 3, true: 4} }}", "{1: 4}"),
        ("{{ 1 ~ 'a' ~ none ~ 1.0 ~ [1] ~ undef }}", "1aNone1.0[1]"),
        ("{{ ['a\\'b', 'a\"b', '\\n', '\\x85', 'é'] }}", "[\"a'b\", 'a\"b', '\\n', '\\x85', 'é']"),
        ("{{ '\\x41\\u00e9\\101\\q\\é' }}", "AéA\\q\\xe9"),
        ("{{ 'a\\\nb' }}", "ab"),
    ]

    /// Truth and comparisons.
    static let logic: [(String, String)] = [
        ("{{ not 0 }}", "True"),
        ("{{ 1 and 2 }}", "2"),
        ("{{ 0 or 'x' }}", "x"),
        ("{{ none or 0 }}", "0"),
        ("{{ 1 < 2 < 3 }}", "True"),
        ("{{ 1 < 2 > 1 }}", "True"),
        ("{{ 'a' < 'b' }}", "True"),
        ("{{ [1, 2] < [1, 3] }}", "True"),
        ("{{ 1 if 0 }}", ""),
        ("{{ 1 if 0 else 2 }}", "2"),
        ("{{ 1 in [1] }}", "True"),
        ("{{ '' in 'a' }}", "True"),
        ("{{ 'k' in d }}", "True"),
        ("{{ 'q' not in d }}", "True"),
        ("{{ no in [none] }}", "True"),
        ("{{ 1 in undef }}", "False"),
        ("{{ undef == undef2 }}", "True"),
        ("{{ undef is none }}", "False"),
        ("{{ not undef }}", "True"),
        ("{{ undef and 1 }}", ""),
        ("{{ [undef] }}", "[Undefined]"),
    ]

    /// Members, items and slices.
    static let members: [(String, String)] = [
        ("{{ d.k }}", "v"),
        ("{{ d['k'] }}", "v"),
        ("{{ d.q }}", ""),
        ("{{ d.n.m[1] }}", "2"),
        ("{{ l[-1] }}", "2"),
        ("{{ l[9] }}", ""),
        ("{{ l.0 }}", "3"),
        ("{{ 'héllo'[1] }}", "é"),
        ("{{ 'héllo'[-2:] }}", "lo"),
        ("{{ 'abcdef'[1:5:2] }}", "bd"),
        ("{{ 'abc'[::-1] }}", "cba"),
        ("{{ l[::-1] }}", "[2, 1, 3]"),
        ("{{ l[:1] }}", "[3]"),
        ("{{ (1, 2, 3)[1:] }}", "(2, 3)"),
        ("{{ range(5)[1:3] }}", "range(1, 3)"),
        ("{{ range(5, 0, -2) }}", "range(5, 0, -2)"),
        ("{{ d.items() }}", "dict_items([('k', 'v'), ('z', 1), ('a', None), ('n', {'m': [1, 2]})])"),
        ("{{ d.keys() | list }}", "['k', 'z', 'a', 'n']"),
        ("{{ d.get('q', 5) }}", "5"),
        ("{{ l.append }}", ""),
        ("{{ d.pop is defined }}", "False"),
        ("{{ s.__class__ is defined }}", "False"),
        ("{{ undef }}", ""),
        ("{{ dict(a=1, b=2) }}", "{'a': 1, 'b': 2}"),
        ("{{ dict.fromkeys([1, 2], 3) }}", "{1: 3, 2: 3}"),
        ("{{ f.is_integer() }}", "False"),
        ("{{ n.real }}", "42"),
    ]

    /// What raises in Jinja, or is malformed.
    static let refused: [String] = [
        "{{ 1 / 0 }}",
        "{{ 1 + 'a' }}",
        "{{ 'a' + 1 }}",
        "{{ [1] + (2,) }}",
        "{{ undef + 1 }}",
        "{{ undef.a }}",
        "{{ undef() }}",
        "{{ d.q.r }}",
        "{{ none['a'][1] }}",
        "{{ l.append(1) }}",
        "{{ d.update({}) }}",
        "{{ '%d' % 'a' }}",
        "{{ 'abc' % 1 }}",
        "{{ {[1]: 2} }}",
        "{{ 1 < 'a' }}",
        "{{ 1 in none }}",
        "{{ 1 in 5 }}",
        "{{ n[1:] }}",
        "{{ no[1:] }}",
        "{{ f.foo.bar }}",
        "{{ range(100001) }}",
        "{{ range(1, 2, 0) }}",
        "{{ x.'a' }}",
        "{{ 1 2 }}",
        "{{ (1 }}",
        "{{ [1} }}",
        "{{ 'abc }}",
        "{{ @ }}",
        "{{ x is a is b }}",
        "{{ -'a' }}",
        "{{",
        "{%",
        "{{ }}",
    ]

    @Test("numbers and arithmetic", arguments: numbers)
    func numbersRender(template: String, expected: String) throws {
        #expect(try Example.render(template) == expected)
    }

    @Test("strings and lists", arguments: texts)
    func textsRender(template: String, expected: String) throws {
        #expect(try Example.render(template) == expected)
    }

    @Test("truth and comparisons", arguments: logic)
    func logicRender(template: String, expected: String) throws {
        #expect(try Example.render(template) == expected)
    }

    @Test("members, items and slices", arguments: members)
    func membersRender(template: String, expected: String) throws {
        #expect(try Example.render(template) == expected)
    }

    @Test("what must fail", arguments: refused)
    func fails(template: String) {
        #expect(throws: HeedError.self) { try Example.render(template) }
    }
}
