import HeedSupport
import HeedTemplates
import Testing

/// Dates of strftime_now, as glibc and Python write them.
@Suite("dates of strftime_now, as glibc and python write them")
struct TimeTests {
    /// Formats.
    static let formats: [(String, String)] = [
        ("{{ strftime_now('%Y-%m-%d') }}", "2026-03-09"),
        ("{{ strftime_now('%d %b %Y') }}", "09 Mar 2026"),
        ("{{ strftime_now('%B %d, %Y') }}", "March 09, 2026"),
        ("{{ strftime_now('%A %a') }}", "Monday Mon"),
        ("{{ strftime_now('%H:%M:%S %p %I') }}", "14:05:06 PM 02"),
        ("{{ strftime_now('%j %U %W %V %G %u %w') }}", "068 10 10 11 2026 1 1"),
        ("{{ strftime_now('%-d %-m %e %_d %^a %#p') }}", "9 3  9  9 MON pm"),
        ("{{ strftime_now('%y %C %D %F %T %R %r') }}", "26 20 03/09/26 2026-03-09 14:05:06 14:05 02:05:06 PM"),
        ("{{ strftime_now('%c|%x|%X') }}", "Mon Mar  9 14:05:06 2026|03/09/26|14:05:06"),
        ("{{ strftime_now('%Z|%z|%%') }}", "||%"),
        ("{{ strftime_now('%f') }}", "000000"),
        ("{{ strftime_now('%Q') }}", "%Q"),
        ("{{ strftime_now('%10Y %5d %-H') }}", "0000002026 00009 14"),
        ("{{ strftime_now('%h %g %k %l %P') }}", "Mar 26 14  2 pm"),
        ("{{ strftime_now('%Ey %Od') }}", "26 09"),
        ("{{ strftime_now('é%Y') }}", "é2026"),
    ]

    /// What raises in Jinja, or is malformed.
    static let refused: [String] = [
        "{{ strftime_now() }}"
    ]

    @Test("formats", arguments: formats)
    func formatsRender(template: String, expected: String) throws {
        #expect(try Example.render(template) == expected)
    }

    @Test("what must fail", arguments: refused)
    func fails(template: String) {
        #expect(throws: HeedError.self) { try Example.render(template) }
    }
}
