/// The records of a table with a heading: values separated by commas (RFC 4180: quotes around a value, two for one, ends
/// of lines within) or by tabs (no quotes).
struct TableRecords {
    private let bytes: UnsafeRawBufferPointer
    private let separator: UInt8
    private let name: String
    private let quote = UInt8(ascii: "\"")

    /// Whether a name says that a file is a table: `.csv` or `.tsv`, compressed or not; and what separates its values.
    static func separator(ofName path: String) -> UInt8? {
        var name = lastPathComponent(path).lowercased()
        if name.hasSuffix(".gz") { name.removeLast(3) }
        if name.hasSuffix(".csv") { return UInt8(ascii: ",") }
        return name.hasSuffix(".tsv") ? UInt8(ascii: "\t") : nil
    }

    init(_ bytes: UnsafeRawBufferPointer, separator: UInt8, name: String) {
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        self.bytes = bytes.starts(with: mark) ? UnsafeRawBufferPointer(rebasing: bytes[mark.count...]) : bytes
        (self.separator, self.name) = (separator, name)
    }

    /// Calls `body` with every record behind the heading as an object of texts; a `label` that is an integer is a number.
    /// It returns whether to go on.
    func read(_ body: (InputLine) throws -> Bool) rethrows {
        var (at, number) = (0, 1)
        var heading: [String]?
        while at < bytes.count {
            let (start, line) = (at, number)
            let place = "\(name), line \(line)"
            let fields = record(from: &at, &number, in: place)
            if bytes[start..<at].allSatisfy({ $0 == 0x0A || $0 == 0x0D }) { continue }
            let content = fields.flatMap { fields -> Result<InputLine.Content, HeedError> in
                guard let heading else { return .success(.blank) }
                return object(fields, heading, place)
            }
            if heading == nil, case .success(let names) = fields {
                heading = names.map { $0.trimmed }
                continue
            }
            guard try body(InputLine(number: line, place: place, content: content)) else { return }
        }
    }

    private func object(
        _ fields: [String], _ heading: [String], _ place: String
    ) -> Result<InputLine.Content, HeedError> {
        guard fields.count == heading.count else {
            return .failure(
                HeedError(
                    .badInput, "the record has another number of values than the heading", in: place,
                    expected: "\(heading.count)", got: "\(fields.count)"))
        }
        var object = JSONObject()
        for (name, value) in zip(heading, fields) {
            let integer = name == "label" ? Int(value) : nil
            object[name] = integer.map { .integer($0) } ?? .string(value)
        }
        return .success(.value(.object(object)))
    }

    /// The values of the record at `at`, which moves behind it with `number`, the line.
    private func record(from at: inout Int, _ number: inout Int, in place: String) -> Result<[String], HeedError> {
        var fields: [String] = []
        var failure: HeedError?
        while true {
            var value: [UInt8] = []
            if separator != 0x09, at < bytes.count, bytes[at] == quote {
                at += 1
                var isClosed = false
                while at < bytes.count {
                    let byte = bytes[at]
                    at += 1
                    if byte == quote {
                        guard at < bytes.count, bytes[at] == quote else {
                            isClosed = true
                            break
                        }
                        at += 1
                    }
                    if byte == 0x0A { number += 1 }
                    value.append(byte)
                }
                if !isClosed {
                    failure = HeedError(
                        .badInput, "a value in quotes does not end", in: place, expected: "a closing quote")
                }
            }
            while at < bytes.count, bytes[at] != separator, bytes[at] != 0x0A {
                value.append(bytes[at])
                at += 1
            }
            let isLast = at >= bytes.count || bytes[at] == 0x0A
            if isLast, value.last == 0x0D { value.removeLast() }
            if let text = String(validating: value, as: UTF8.self) {
                fields.append(text)
            } else {
                failure = HeedError(.badInput, "the line is not UTF-8", in: place, expected: "text in UTF-8")
            }
            at += 1
            guard isLast else { continue }
            at = min(at, bytes.count)
            number += 1
            return failure.map { .failure($0) } ?? .success(fields)
        }
    }
}

extension String {
    /// Without spaces at both ends.
    fileprivate var trimmed: String {
        let isSpace = { (scalar: Unicode.Scalar) in scalar == " " || scalar == "\t" }
        let scalars = unicodeScalars.drop(while: isSpace)
        guard let last = scalars.lastIndex(where: { !isSpace($0) }) else { return "" }
        return String(scalars[...last])
    }
}
