import HeedSupport

/// Python's `range`.
final class RangeObject: TemplateObject, @unchecked Sendable {
    private let start: Int128
    private let stop: Int128
    private let step: Int128
    let count: Int
    /// The largest number of elements: that of Jinja's sandbox.
    static let longest = 100_000

    private init(start: Int128, stop: Int128, step: Int128, count: Int) {
        self.start = start
        self.stop = stop
        self.step = step
        self.count = count
    }

    /// `range(stop)`, `range(start, stop)` or `range(start, stop, step)`.
    static func make(_ arguments: Arguments, _ renderer: Renderer) throws -> Value {
        let given = arguments.positional
        guard arguments.keywords.isEmpty, (1...3).contains(given.count) else {
            throw HeedError(.badInput, "range() takes one to three integers, without names")
        }
        let bounds = try given.map { Int128(try renderer.index($0, "an argument of range()")) }
        let start = bounds.count == 1 ? 0 : bounds[0]
        let stop = bounds.count == 1 ? bounds[0] : bounds[1]
        let step = bounds.count == 3 ? bounds[2] : 1
        if step == 0 { throw HeedError(.badInput, "the step of range() must not be 0") }
        let distance = step > 0 ? stop - start : start - stop
        let count = distance <= 0 ? 0 : (distance - 1) / (step > 0 ? step : -step) + 1
        guard count <= longest else {
            throw HeedError(
                .badInput, "range() is too long", expected: "at most \(grouped(longest)) elements",
                got: integerText(count))
        }
        return .object(RangeObject(start: start, stop: stop, step: step, count: Int(count)))
    }

    /// The part of the range at these places.
    func slice(_ places: Places) throws -> RangeObject {
        let step = try exact(step.multipliedReportingOverflow(by: Int128(places.step)))
        guard step.magnitude < 1 << 100 else { throw HeedError(.badInput, "the step of a range became too large") }
        return RangeObject(
            start: element(places.start), stop: element(places.stop), step: step, count: places.count)
    }

    func element(_ place: Int) -> Int128 { start + Int128(place) * step }

    override var typeName: String { "range" }
    override var isSequence: Bool { true }
    override var isIterable: Bool { true }
    override func isTrue(_ renderer: Renderer) throws -> Bool { count > 0 }
    override func length(_ renderer: Renderer) throws -> Int? { count }
    override func iterator(_ renderer: Renderer) throws -> (any ValueIterator)? { RangeIterator(self) }
    override func item(_ key: Value, _ renderer: Renderer) throws -> Value? {
        key.index.flatMap { renderer.placed($0, in: count) }.map { .integer(element($0)) }
    }
    override func attribute(_ name: String, _ renderer: Renderer) throws -> Value? {
        switch name {
        case "start": .integer(start)
        case "stop": .integer(stop)
        case "step": .integer(step)
        case "index", "count":
            .object(
                FunctionObject(name, holds: .object(self)) { [self] renderer, arguments in
                    let elements = try renderer.list(try renderer.elements(.object(self)))
                    return try Methods.sequence[name].map { try $0(renderer, elements, arguments) } ?? .none
                })
        default: nil
        }
    }
    override func contains(_ value: Value, _ renderer: Renderer) throws -> Bool? {
        guard let wanted = value.index else { return nil }
        let (distance, overflow) = wanted.subtractingReportingOverflow(start)
        return !overflow && distance % step == 0 && distance / step >= 0 && distance / step < Int128(count)
    }
    override func equals(_ other: TemplateObject, _ meter: Meter) throws -> Bool {
        guard let other = other as? RangeObject, count == other.count else { return false }
        return count == 0 || start == other.start && (count == 1 || step == other.step)
    }
    override func represent(_ writer: inout Representation) throws {
        let bounds = "\(integerText(start)), \(integerText(stop))"
        try writer.write("range(\(bounds)\(step == 1 ? "" : ", " + integerText(step)))")
    }
}

private final class RangeIterator: ValueIterator {
    private let range: RangeObject
    private var at = 0
    init(_ range: RangeObject) { self.range = range }
    func next(_ renderer: Renderer) throws -> Value? {
        guard at < range.count else { return nil }
        defer { at += 1 }
        return .integer(range.element(at))
    }
}
