import HeedSupport

/// The operators between two values.
enum BinaryOperator: String {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
    case floorDivide = "//"
    case modulo = "%"
    case power = "**"
}

extension Renderer {
    /// Python's arithmetic, with strings and lists.
    func apply(_ sign: BinaryOperator, _ left: Value, _ right: Value) throws -> Value {
        if case .undefined(let undefined) = left { throw undefined.failure }
        if case .string(let text) = left, sign == .modulo {
            return try percentFormat(text, right)
        }
        if case .undefined(let undefined) = right { throw undefined.failure }
        switch (left, right) {
        case (.string(let left), .string(let right)) where sign == .add: return .string(try joined(left, right))
        case (.list(let left), .list(let right)) where sign == .add:
            return .list(try ListObject(left.elements + right.elements, meter: meter))
        case (.tuple(let left), .tuple(let right)) where sign == .add:
            return .tuple(try ListObject(left.elements + right.elements, meter: meter))
        case (.float(let left), .float(let right)): return .float(try floats(sign, left, right))
        default: break
        }
        switch (left.index, right.index) {
        case (let left?, let right?): return try integers(sign, left, right)
        case (let integer?, nil):
            if case .float(let float) = right { return .float(try floats(sign, Double(integer), float)) }
            if sign == .multiply, let product = try repeated(right, integer) { return product }
        case (nil, let integer?):
            if case .float(let float) = left { return .float(try floats(sign, float, Double(integer))) }
            if sign == .multiply, let product = try repeated(left, integer) { return product }
        default: break
        }
        throw HeedError(.badInput, "`\(sign.rawValue)` does not take \(left.typeName) and \(right.typeName)")
    }

    /// Two strings in one; markup escapes what is no markup.
    private func joined(_ left: Text, _ right: Text) throws -> Text {
        let isMarkup = left.isMarkup || right.isMarkup
        let left = isMarkup ? try escaped(left) : left
        let right = isMarkup ? try escaped(right) : right
        if right.isEmpty { return left }
        if left.isEmpty { return right }
        try meter.copy(left.bytes.count + right.bytes.count)
        return Text(left.bytes + right.bytes, count: left.count + right.count, isMarkup: isMarkup, meter: meter)
    }

    /// A string or list several times, or nil for other values.
    private func repeated(_ value: Value, _ times: Int128) throws -> Value? {
        func total(_ bytes: Int) throws -> Int {
            let (product, overflow) = Int128(bytes).multipliedReportingOverflow(by: max(times, 0))
            guard !overflow, let total = Int(exactly: product) else {
                try meter.allow(Int.max)
                return 0
            }
            try meter.copy(total)
            return total
        }
        switch value {
        case .string(let text):
            let size = try total(text.bytes.count)
            guard size > 0 else { return .string(text.isMarkup ? markup([]) : Text.empty) }
            var bytes: [UInt8] = []
            bytes.reserveCapacity(size)
            for _ in 0..<Int(times) { bytes += text.bytes }
            return .string(Text(bytes, count: text.count * Int(times), isMarkup: text.isMarkup, meter: meter))
        case .list(let list), .tuple(let list):
            let size = try total(list.elements.count * MemoryLayout<Value>.stride)
            var elements: [Value] = []
            if size > 0 {
                elements.reserveCapacity(list.elements.count * Int(times))
                for _ in 0..<Int(times) { elements += list.elements }
            }
            let result = try ListObject(elements, meter: meter)
            if case .list = value { return .list(result) }
            return .tuple(result)
        default: return nil
        }
    }

    private func integers(_ sign: BinaryOperator, _ left: Int128, _ right: Int128) throws -> Value {
        switch sign {
        case .add: return .integer(try exact(left.addingReportingOverflow(right)))
        case .subtract: return .integer(try exact(left.subtractingReportingOverflow(right)))
        case .multiply: return .integer(try exact(left.multipliedReportingOverflow(by: right)))
        case .divide:
            guard right != 0 else { throw divisionByZero() }
            return .float(quotient(left, right))
        case .floorDivide: return .integer(try flooring(left, right).quotient)
        case .modulo: return .integer(try flooring(left, right).remainder)
        case .power:
            if right < 0 {
                guard left != 0 else { throw divisionByZero() }
                return .float(pythonPower(Double(left), Double(right)))
            }
            return .integer(try power(left, right))
        }
    }

    /// Python's `/` of integers: correctly rounded where both are exact as floats.
    private func quotient(_ left: Int128, _ right: Int128) -> Double { Double(left) / Double(right) }

    /// Quotient and remainder with the divisor's sign.
    func flooring(_ left: Int128, _ right: Int128) throws -> (quotient: Int128, remainder: Int128) {
        guard right != 0 else { throw divisionByZero() }
        if right == -1 { return (try exact(left.multipliedReportingOverflow(by: -1)), 0) }
        let (quotient, remainder) = left.quotientAndRemainder(dividingBy: right)
        let isBelow = remainder != 0 && (remainder < 0) != (right < 0)
        return isBelow ? (quotient - 1, remainder + right) : (quotient, remainder)
    }

    private func power(_ base: Int128, _ exponent: Int128) throws -> Int128 {
        var result: Int128 = 1
        var square = base
        var left = exponent
        while left > 0 {
            if left & 1 == 1 { result = try exact(result.multipliedReportingOverflow(by: square)) }
            left >>= 1
            if left > 0 { square = try exact(square.multipliedReportingOverflow(by: square)) }
            if left > 0, square == 0 || square == 1 { return left & 1 == 0 && square == 0 ? 0 : result * square }
        }
        return result
    }

    private func floats(_ sign: BinaryOperator, _ left: Double, _ right: Double) throws -> Double {
        switch sign {
        case .add: return left + right
        case .subtract: return left - right
        case .multiply: return left * right
        case .divide:
            guard right != 0 else { throw divisionByZero() }
            return left / right
        case .floorDivide, .modulo:
            guard right != 0 else { throw divisionByZero() }
            let (quotient, remainder) = flooring(left, right)
            return sign == .modulo ? remainder : quotient
        case .power:
            if left == 0, right < 0 { throw divisionByZero() }
            if left < 0, left.isFinite, right.isFinite, right != right.rounded() {
                throw HeedError(.badInput, "the power is a complex number, which templates cannot hold")
            }
            let power = pythonPower(left, right)
            if power.isInfinite, left.isFinite, right.isFinite {
                throw HeedError(.badInput, "the power is too large for a float")
            }
            return power
        }
    }

    /// Python's `divmod` of floats.
    private func flooring(_ left: Double, _ right: Double) -> (quotient: Double, remainder: Double) {
        var remainder = left.truncatingRemainder(dividingBy: right)
        var quotient = (left - remainder) / right
        if remainder != 0 {
            if (right < 0) != (remainder < 0) {
                remainder += right
                quotient -= 1
            }
        } else {
            remainder = right.sign == .minus ? -0.0 : 0.0
        }
        if quotient != 0 {
            let floor = quotient.rounded(.down)
            return (quotient - floor > 0.5 ? floor + 1 : floor, remainder)
        }
        return ((left / right).sign == .minus ? -0.0 : 0.0, remainder)
    }

    /// `-value` and `+value`
    func negated(_ value: Value, isNegative: Bool) throws -> Value {
        if case .undefined(let undefined) = value { throw undefined.failure }
        if case .float(let float) = value { return .float(isNegative ? -float : float) }
        guard let integer = value.index else {
            throw HeedError(.badInput, "`\(isNegative ? "-" : "+")` does not take a \(value.typeName)")
        }
        return .integer(isNegative ? try exact((0 as Int128).subtractingReportingOverflow(integer)) : integer)
    }
}

/// The result, or an error where it left the range.
func exact(_ result: (partialValue: Int128, overflow: Bool)) throws -> Int128 {
    if result.overflow {
        throw HeedError(.badInput, "an integer became too large", expected: "at most 128 bits")
    }
    return result.partialValue
}

private func divisionByZero() -> HeedError { HeedError(.badInput, "division by zero") }
