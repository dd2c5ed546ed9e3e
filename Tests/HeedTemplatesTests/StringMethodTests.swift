import HeedSupport
import HeedTemplates
import Testing

/// Python's methods of strings.
@Suite("python's methods of strings")
struct StringMethodTests {
    /// Letter case.
    static let cases: [(String, String)] = [
        ("{{ s.upper() }}", "HELLO, WÖRLD SS"),
        ("{{ s.lower() }}", "hello, wörld ß"),
        ("{{ 'hello wORLD'.title() }}", "Hello World"),
        ("{{ 'ǅ ŉ İ'.title() }}", "ǅ ʼN İ"),
        ("{{ 'ΑΣ ΑΣΒ'.lower() }}", "ας ασβ"),
        ("{{ 'ß'.upper() }}", "SS"),
        ("{{ 'ﬁ'.capitalize() }}", "Fi"),
        ("{{ 'aBc'.swapcase() }}", "AbC"),
        ("{{ 'Straße İ'.casefold() }}", "strasse i̇"),
        ("{{ 'abc'.islower() }}", "True"),
        ("{{ 'Abc'.istitle() }}", "True"),
        ("{{ 'ABC1'.isupper() }}", "True"),
        ("{{ '١٢'.isdigit() }}", "True"),
        ("{{ '²'.isdecimal() }}", "False"),
        ("{{ '½'.isnumeric() }}", "True"),
        ("{{ 'aé'.isalpha() }}", "True"),
        ("{{ 'a1'.isalnum() }}", "True"),
        ("{{ ' \\t'.isspace() }}", "True"),
        ("{{ 'a b'.isidentifier() }}", "False"),
        ("{{ 'é'.isascii() }}", "False"),
        ("{{ '\\n'.isprintable() }}", "False"),
    ]

    /// Cutting and joining.
    static let parts: [(String, String)] = [
        ("{{ 'a,b,c'.split(',') }}", "['a', 'b', 'c']"),
        ("{{ 'a,b,c'.split(',', 1) }}", "['a', 'b,c']"),
        ("{{ 'a,b,c'.rsplit(',', 1) }}", "['a,b', 'c']"),
        ("{{ '  a b  c '.split() }}", "['a', 'b', 'c']"),
        ("{{ '  a b  c '.split(none, 1) }}", "['a', 'b  c ']"),
        ("{{ '  a b  c '.rsplit(none, 1) }}", "['  a b', 'c']"),
        ("{{ ''.split() }}", "[]"),
        ("{{ ''.split(',') }}", "['']"),
        ("{{ 'a\\nb\\r\\nc\\n'.splitlines() }}", "['a', 'b', 'c']"),
        ("{{ 'a\\nb'.splitlines(true) }}", "['a\\n', 'b']"),
        ("{{ 'a=b=c'.partition('=') }}", "('a', '=', 'b=c')"),
        ("{{ 'a=b=c'.rpartition('=') }}", "('a=b', '=', 'c')"),
        ("{{ 'abc'.partition('=') }}", "('abc', '', '')"),
        ("{{ 'abc'.rpartition('=') }}", "('', '', 'abc')"),
        ("{{ '-'.join(['a', 'b']) }}", "a-b"),
        ("{{ '-'.join('xyz') }}", "x-y-z"),
        ("{{ 'xxaxx'.strip('x') }}", "a"),
        ("{{ '  a '.lstrip() }}", "a "),
        ("{{ '\\u00a0a\\u3000'.strip() }}", "a"),
        ("{{ 'éaé'.rstrip('é') }}", "éa"),
    ]

    /// Finding and replacing.
    static let search: [(String, String)] = [
        ("{{ s.find('l') }}", "2"),
        ("{{ s.find('l', 4) }}", "10"),
        ("{{ s.find('ö') }}", "8"),
        ("{{ s.rfind('l') }}", "10"),
        ("{{ s.find('zz') }}", "-1"),
        ("{{ s.find('') }}", "0"),
        ("{{ s.count('l') }}", "3"),
        ("{{ s.count('') }}", "15"),
        ("{{ s.index('W') }}", "7"),
        ("{{ s.startswith('He') }}", "True"),
        ("{{ s.startswith(('x', 'H')) }}", "True"),
        ("{{ s.startswith('l', 2) }}", "True"),
        ("{{ s.endswith('ß') }}", "True"),
        ("{{ s.replace('l', 'LL') }}", "HeLLLLo, WörLLd ß"),
        ("{{ s.replace('l', '', 1) }}", "Helo, Wörld ß"),
        ("{{ 'ab'.replace('', '_') }}", "_a_b_"),
        ("{{ 'ab'.replace('', '_', 2) }}", "_a_b"),
        ("{{ s.removeprefix('Hello') }}", ", Wörld ß"),
        ("{{ s.removesuffix('ß') }}", "Hello, Wörld "),
    ]

    /// Filling.
    static let filling: [(String, String)] = [
        ("{{ 'ab'.center(7, '*') }}", "***ab**"),
        ("{{ 'abc'.center(6) }}", " abc  "),
        ("{{ 'ab'.ljust(5, '.') }}", "ab..."),
        ("{{ 'ab'.rjust(5) }}", "   ab"),
        ("{{ '-42'.zfill(6) }}", "-00042"),
        ("{{ 'a\\tb'.expandtabs(4) }}", "a   b"),
        ("{{ 'Hi'.translate({72: 'J', 105: none}) }}", "J"),
        ("{{ 'abc'.translate('abc'.maketrans('ab', 'xy')) }}", "xyc"),
    ]

    /// `%` formatting.
    static let percent: [(String, String)] = [
        ("{{ '%s %d %5.2f|%-5d|%05d|%+d' % ('a', 1, 3.14159, 42, 42, 42) }}", "a 1  3.14|42   |00042|+42"),
        (
            "{{ '%x %X %#x %o %e %g %G' % (255, 255, 255, 8, 12345.678, 0.00001, 1e20) }}",
            "ff FF 0xff 10 1.234568e+04 1e-05 1E+20"
        ),
        ("{{ '%r %a %c %%' % ('é', 'é', 65) }}", "'é' '\\xe9' A %"),
        ("{{ '%(a)s %(b)03d' % {'a': 1, 'b': 2} }}", "1 002"),
        ("{{ '%*d|%.3s' % (5, 3, 'abcdef') }}", "    3|abc"),
        ("{{ '%s' % [1] }}", "[1]"),
        ("{{ 'abc' % [1] }}", "abc"),
        ("{{ '%s' % undef }}", ""),
        ("{{ '%.0f %.0f %.1f' % (0.5, 1.5, 0.25) }}", "0 2 0.2"),
        ("{{ '% d' % 5 }}", " 5"),
    ]

    /// `format`.
    static let braces: [(String, String)] = [
        ("{{ '{} {}'.format(1, 'a') }}", "1 a"),
        ("{{ '{0} {1} {0}'.format(1, 2) }}", "1 2 1"),
        ("{{ '{a.b} {c[0]} {c[1]}'.format(a={'b': 1}, c=[2, 3]) }}", "1 2 3"),
        ("{{ '{!r:>5}|{!s}|{!a}'.format('a', 'é', 'é') }}", "  'a'|é|'\\xe9'"),
        ("{{ '{:>{w}.{p}f}'.format(3.14159, w=10, p=2) }}", "      3.14"),
        ("{{ '{{}}'.format() }}", "{}"),
        ("{{ '{:,} {:_} {:010,}'.format(1234567, 1234567, 1234) }}", "1,234,567 1_234_567 00,001,234"),
        (
            "{{ '{:.2f} {:e} {:g} {:%} {:.3}'.format(2.5, 1234.5, 1e20, 0.5, 1234567.0) }}",
            "2.50 1.234500e+03 1e+20 50.000000% 1.23e+06"
        ),
        ("{{ '{:b} {:#x} {:o} {:c}'.format(10, 255, 8, 65) }}", "1010 0xff 10 A"),
        ("{{ '{:<5}|{:^7}|{:*^9}|{:>4}'.format('ab', 'ab', 'ab', 'ab') }}", "ab   |  ab   |***ab****|  ab"),
        ("{{ '{:+} {: } {:05d} {:=+8}'.format(1, 2, 3, 4) }}", "+1  2 00003 +      4"),
        ("{{ '{:.3}'.format('abcdef') }}", "abc"),
        ("{{ '{} {} {}'.format(none, true, [1]) }}", "None True [1]"),
        ("{{ '{:5}|{:d}'.format(true, true) }}", "    1|1"),
        ("{{ '{a}'.format_map({'a': 1}) }}", "1"),
        ("{{ '{0.__class__}'.format(1) }}", ""),
    ]

    /// What raises in Jinja, or is malformed.
    static let refused: [String] = [
        "{{ s.nosuch() }}",
        "{{ s.upper(1) }}",
        "{{ s.index('q') }}",
        "{{ s.split('') }}",
        "{{ '-'.join([1]) }}",
        "{{ 'ab'.center(5, 'xy') }}",
        "{{ '{'.format() }}",
        "{{ '}'.format() }}",
        "{{ '{} {0}'.format(1) }}",
        "{{ '{}'.format() }}",
        "{{ '{x}'.format() }}",
        "{{ '{:q}'.format(1) }}",
        "{{ '{:.2d}'.format(1) }}",
        "{{ '{:d}'.format(1.5) }}",
        "{{ '{:5}'.format([1]) }}",
        "{{ '{!x}'.format(1) }}",
        "{{ '%d' % none }}",
        "{{ '%s %s' % 1 }}",
        "{{ '%s' % (1, 2) }}",
        "{{ '%q' % 1 }}",
        "{{ '%(a)s' % [1] }}",
    ]

    @Test("letter case", arguments: cases)
    func casesRender(template: String, expected: String) throws {
        #expect(try Example.render(template) == expected)
    }

    @Test("cutting and joining", arguments: parts)
    func partsRender(template: String, expected: String) throws {
        #expect(try Example.render(template) == expected)
    }

    @Test("finding and replacing", arguments: search)
    func searchRender(template: String, expected: String) throws {
        #expect(try Example.render(template) == expected)
    }

    @Test("filling", arguments: filling)
    func fillingRender(template: String, expected: String) throws {
        #expect(try Example.render(template) == expected)
    }

    @Test("`%` formatting", arguments: percent)
    func percentRender(template: String, expected: String) throws {
        #expect(try Example.render(template) == expected)
    }

    @Test("`format`", arguments: braces)
    func bracesRender(template: String, expected: String) throws {
        #expect(try Example.render(template) == expected)
    }

    @Test("what must fail", arguments: refused)
    func fails(template: String) {
        #expect(throws: HeedError.self) { try Example.render(template) }
    }
}
