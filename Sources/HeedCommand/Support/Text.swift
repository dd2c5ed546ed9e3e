import HeedSupport

/// A number with a fixed number of digits after the point, rounded to nearest.
func fixed(_ value: Double, _ digits: Int) -> String {
    guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    let scaled = (abs(value) * scale).rounded()
    guard scaled < 9e15 else { return "\(value)" }
    let whole = UInt64(scaled)
    let unit = UInt64(scale)
    let sign = value < 0 && whole > 0 ? "-" : ""
    if digits == 0 { return sign + String(whole) }
    let fraction = String(whole % unit)
    return sign + String(whole / unit) + "." + String(repeating: "0", count: digits - fraction.count) + fraction
}

/// Lines of a text file.
enum TextLines {
    /// The lines of a file in UTF-8; a line ends with `\n` and nothing else, so that what stands in it stays.
    ///
    /// - Throws: `HeedError` naming file and line where the text is not UTF-8.
    static func read(_ path: String) throws -> [String] {
        let bytes = try readFile(path)
        var lines: [String] = []
        var start = 0
        while start < bytes.count {
            let end = bytes[start...].firstIndex(of: 0x0A) ?? bytes.count
            guard let line = String(validating: bytes[start..<end], as: UTF8.self) else {
                throw HeedError(.badInput, "line \(lines.count + 1) is not UTF-8", in: path)
            }
            lines.append(line)
            start = end + 1
        }
        return lines
    }
}
