#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif
import HeedSupport

/// A date and time of day without a zone, as a template's `strftime_now` tells it.
public struct CalendarTime: Sendable, Equatable {
    /// 1 … 9999.
    public let year: Int
    /// 1 … 12.
    public let month: Int
    /// 1 … 31.
    public let day: Int
    /// 0 … 23.
    public let hour: Int
    /// 0 … 59.
    public let minute: Int
    /// 0 … 59.
    public let second: Int

    /// A date and time, or nil where there is no such day or time of day (Gregorian calendar).
    public init?(year: Int, month: Int, day: Int, hour: Int = 0, minute: Int = 0, second: Int = 0) {
        guard (1...9999).contains(year), (1...12).contains(month), day >= 1,
            day <= CalendarTime.days(in: month, of: year), (0...23).contains(hour), (0...59).contains(minute),
            (0...59).contains(second)
        else { return nil }
        (self.year, self.month, self.day) = (year, month, day)
        (self.hour, self.minute, self.second) = (hour, minute, second)
    }

    /// A date and time from `YYYY-MM-DDTHH:MM:SS`, or `YYYY-MM-DD` for midnight; nil for any other text.
    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count == 10 || bytes.count == 19 else { return nil }
        func number(_ start: Int, _ count: Int) -> Int? {
            let digits = bytes[start..<start + count]
            guard digits.allSatisfy({ $0 &- 0x30 < 10 }) else { return nil }
            return digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
        }
        guard bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"), let year = number(0, 4),
            let month = number(5, 2), let day = number(8, 2)
        else { return nil }
        guard bytes.count == 19 else {
            self.init(year: year, month: month, day: day)
            return
        }
        guard bytes[10] == UInt8(ascii: "T") || bytes[10] == 0x20, bytes[13] == UInt8(ascii: ":"),
            bytes[16] == UInt8(ascii: ":"), let hour = number(11, 2), let minute = number(14, 2),
            let second = number(17, 2)
        else { return nil }
        self.init(year: year, month: month, day: day, hour: hour, minute: minute, second: second)
    }

    /// The local time of the machine.
    public static func now() -> CalendarTime {
        var moment = time(nil)
        var parts = tm()
        localtime_r(&moment, &parts)
        return CalendarTime(
            year: Int(parts.tm_year) + 1900, month: Int(parts.tm_mon) + 1, day: Int(parts.tm_mday),
            hour: Int(parts.tm_hour), minute: Int(parts.tm_min), second: min(Int(parts.tm_sec), 59)) ?? epoch
    }

    private static let epoch = CalendarTime(1970)
    private init(_ year: Int) { (self.year, month, day, hour, minute, second) = (year, 1, 1, 0, 0, 0) }

    static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    static func days(in month: Int, of year: Int) -> Int {
        month == 2 ? (isLeap(year) ? 29 : 28) : [4, 6, 9, 11].contains(month) ? 30 : 31
    }

    /// The day of the year, 1 … 366.
    var dayOfYear: Int { (1..<month).reduce(day) { $0 + CalendarTime.days(in: $1, of: year) } }

    /// Days since the first of January of the year 1, a Monday.
    private var dayNumber: Int {
        let before = year - 1
        return before * 365 + before / 4 - before / 100 + before / 400 + dayOfYear - 1
    }

    /// The day of the week, 0 for Sunday … 6.
    var weekday: Int { (dayNumber + 1) % 7 }

    /// Seconds since 1970, the time taken as UTC.
    var unixSeconds: Int { ((dayNumber - 719_162) * 24 + hour) * 3600 + minute * 60 + second }

    /// Year and week by ISO 8601: the first week holds the year's first Thursday.
    var isoWeek: (year: Int, week: Int) {
        let fromMonday = (weekday + 6) % 7
        let thursday = dayOfYear - fromMonday + 3
        if thursday < 1 {
            let days = CalendarTime.isLeap(year - 1) ? 366 : 365
            return (year - 1, (thursday + days - 1) / 7 + 1)
        }
        let days = CalendarTime.isLeap(year) ? 366 : 365
        if thursday > days { return (year + 1, 1) }
        return (year, (thursday - 1) / 7 + 1)
    }
}
