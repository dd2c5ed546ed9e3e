import HeedSupport

extension CalendarTime {
    private static let weekdays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
    private static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ]

    /// Python's `strftime` in the C locale, with glibc's flags (`%-d`, `%_d`, `%^a`) and widths.
    ///
    /// A conversion that does not exist stays as it stands.
    func format(_ text: [UInt8], _ meter: Meter) throws -> [UInt8] {
        var result: [UInt8] = []
        var at = 0
        while at < text.count {
            guard text[at] == UInt8(ascii: "%") else {
                result.append(text[at])
                at += 1
                continue
            }
            try meter.work(8)
            try meter.allow(result.count)
            let start = at
            at += 1
            var flag: UInt8?
            var isUpper = false
            while at < text.count, "-_0^#".utf8.contains(text[at]) {
                if text[at] == UInt8(ascii: "^") { isUpper = true } else { flag = text[at] }
                at += 1
            }
            var width = 0
            while at < text.count, text[at] &- 0x30 < 10 {
                width = min(width * 10 + Int(text[at] - 0x30), 1_000)
                at += 1
            }
            if at < text.count, text[at] == UInt8(ascii: "E") || text[at] == UInt8(ascii: "O") { at += 1 }
            guard at < text.count, let part = conversion(text[at]) else {
                at = min(at + 1, text.count)
                result += text[start..<at]
                continue
            }
            let letter = text[at]
            at += 1
            result += fitted(part, letter, flag: flag, isUpper: isUpper, width: width)
        }
        return result
    }

    /// What a conversion gives: a number with its usual width and filling, or a text.
    private enum Part {
        case number(Int, width: Int, isSpaced: Bool)
        case text(String)
    }

    private func fitted(_ part: Part, _ letter: UInt8, flag: UInt8?, isUpper: Bool, width: Int) -> [UInt8] {
        var text: String
        var fill = " "
        var least = width
        switch part {
        case .number(let value, let usual, let isSpaced):
            text = String(value)
            fill = isSpaced ? " " : "0"
            least = max(width, usual)
            if flag == UInt8(ascii: "-") { least = width > 0 ? width : 0 }
            if flag == UInt8(ascii: "_") { fill = " " }
            if flag == UInt8(ascii: "0") { fill = "0" }
        case .text(let value):
            text = value
            if flag == UInt8(ascii: "#") { text = letter == UInt8(ascii: "p") ? text.lowercased() : text.uppercased() }
            if flag == UInt8(ascii: "0") { fill = "0" }
        }
        if isUpper { text = text.uppercased() }
        let missing = least - text.utf8.count
        return Array((missing > 0 ? String(repeating: fill, count: missing) + text : text).utf8)
    }

    private func conversion(_ letter: UInt8) -> Part? {
        func two(_ value: Int) -> Part { .number(value, width: 2, isSpaced: false) }
        func spaced(_ value: Int) -> Part { .number(value, width: 2, isSpaced: true) }
        func padded(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let clock = "\(padded(hour)):\(padded(minute)):\(padded(second))"
        let twelve = (hour + 11) % 12 + 1
        let half = hour < 12 ? "AM" : "PM"
        switch letter {
        case UInt8(ascii: "Y"): return .number(year, width: 0, isSpaced: false)
        case UInt8(ascii: "y"): return two(year % 100)
        case UInt8(ascii: "C"): return two(year / 100)
        case UInt8(ascii: "G"): return .number(isoWeek.year, width: 0, isSpaced: false)
        case UInt8(ascii: "g"): return two(isoWeek.year % 100)
        case UInt8(ascii: "m"): return two(month)
        case UInt8(ascii: "d"): return two(day)
        case UInt8(ascii: "e"): return spaced(day)
        case UInt8(ascii: "j"): return .number(dayOfYear, width: 3, isSpaced: false)
        case UInt8(ascii: "H"): return two(hour)
        case UInt8(ascii: "k"): return spaced(hour)
        case UInt8(ascii: "I"): return two(twelve)
        case UInt8(ascii: "l"): return spaced(twelve)
        case UInt8(ascii: "M"): return two(minute)
        case UInt8(ascii: "S"): return two(second)
        case UInt8(ascii: "f"): return .text("000000")
        case UInt8(ascii: "s"): return .number(unixSeconds, width: 0, isSpaced: false)
        case UInt8(ascii: "U"): return two((dayOfYear - 1 + 7 - weekday) / 7)
        case UInt8(ascii: "W"): return two((dayOfYear - 1 + 7 - (weekday + 6) % 7) / 7)
        case UInt8(ascii: "V"): return two(isoWeek.week)
        case UInt8(ascii: "u"): return .number((weekday + 6) % 7 + 1, width: 0, isSpaced: false)
        case UInt8(ascii: "w"): return .number(weekday, width: 0, isSpaced: false)
        case UInt8(ascii: "A"): return .text(CalendarTime.weekdays[weekday])
        case UInt8(ascii: "a"): return .text(String(CalendarTime.weekdays[weekday].prefix(3)))
        case UInt8(ascii: "B"): return .text(CalendarTime.months[month - 1])
        case UInt8(ascii: "b"), UInt8(ascii: "h"): return .text(String(CalendarTime.months[month - 1].prefix(3)))
        case UInt8(ascii: "p"): return .text(half)
        case UInt8(ascii: "P"): return .text(half.lowercased())
        case UInt8(ascii: "F"): return .text("\(year)-\(padded(month))-\(padded(day))")
        case UInt8(ascii: "D"), UInt8(ascii: "x"): return .text("\(padded(month))/\(padded(day))/\(padded(year % 100))")
        case UInt8(ascii: "T"), UInt8(ascii: "X"): return .text(clock)
        case UInt8(ascii: "R"): return .text("\(padded(hour)):\(padded(minute))")
        case UInt8(ascii: "r"): return .text("\(padded(twelve)):\(padded(minute)):\(padded(second)) \(half)")
        case UInt8(ascii: "c"):
            let date = "\(CalendarTime.weekdays[weekday].prefix(3)) \(CalendarTime.months[month - 1].prefix(3))"
            return .text("\(date) \(day < 10 ? " " : "")\(day) \(clock) \(year)")
        case UInt8(ascii: "n"): return .text("\n")
        case UInt8(ascii: "t"): return .text("\t")
        case UInt8(ascii: "%"): return .text("%")
        case UInt8(ascii: "Z"), UInt8(ascii: "z"): return .text("")
        default: return nil
        }
    }
}
