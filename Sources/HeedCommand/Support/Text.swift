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

/// Bytes as people count memory: `1.4 GiB`.
func byteText(_ bytes: Int) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
    var value = Double(bytes)
    var unit = 0
    while value >= 1024, unit + 1 < units.count {
        value /= 1024
        unit += 1
    }
    return unit == 0 ? "\(bytes) bytes" : fixed(value, value < 100 ? 1 : 0) + " " + units[unit]
}

/// A large number with the prefix of its power of a thousand: `12.3 G`; the unit follows at once.
func countText(_ value: Double) -> String {
    let prefixes = ["", "k", "M", "G", "T", "P", "E"]
    var scaled = value
    var prefix = 0
    while scaled >= 1000, prefix + 1 < prefixes.count {
        scaled /= 1000
        prefix += 1
    }
    return fixed(scaled, scaled < 100 ? 1 : 0) + " " + prefixes[prefix]
}

/// Texts side by side, each filled to its width; the last may have width 0.
func columns(_ cells: (text: String, width: Int)...) -> String {
    cells.map { cell in
        cell.text + String(repeating: " ", count: max(cell.width - cell.text.count, cell.width > 0 ? 1 : 0))
    }.joined()
}

/// Lines of a text file.
enum TextLines {
    /// The lines of a file in UTF-8; a line ends with `\n` and nothing else, so that what stands in it stays.
    ///
    /// - Throws: `HeedError` naming file and line where the text is not UTF-8.
    static func read(_ path: String) throws -> [String] {
        let file = try InputFile.open(path)
        let bytes = file.bytes
        defer { withExtendedLifetime(file) {} }
        var lines: [String] = []
        var start = 0
        while start < bytes.count {
            let end = bytes[start...].firstIndex(of: 0x0A) ?? bytes.count
            guard let line = String(validating: bytes[start..<end], as: UTF8.self) else {
                throw HeedError(.badInput, "line \(lines.count + 1) is not UTF-8", in: file.name)
            }
            lines.append(line)
            start = end + 1
        }
        return lines
    }
}
