import HeedSupport

/// The state of one rendering.
final class Renderer {
    let program: Program
    let meter: Meter
    /// The time that `strftime_now` tells.
    let now: CalendarTime
    /// The variables that the caller gave.
    private let variables: [String: Value]
    /// The variables that the top of the template has set, for its blocks.
    var exports: [String: Value] = [:]
    /// The variables of the macro, loop or block that is running.
    var activation: Activation
    /// The line that is running, for errors.
    var line = 1
    /// Whether what is written is escaped for HTML.
    var escapes = false
    /// Chooses for the filter `random`.
    var random: SplitMix
    /// What is written; the innermost of the texts that are being captured is last.
    private var buffers: [[UInt8]] = [[]]
    private var buffered = 0
    private var calls = 0
    private var evaluations = 0
    private var holders: [any Holder] = []

    init(_ program: Program, _ variables: [String: Value], limits: TemplateLimits, now: CalendarTime, seed: UInt64) {
        self.program = program
        self.variables = variables
        self.now = now
        meter = Meter(limits)
        random = SplitMix(state: seed)
        activation = Activation(slots: program.root.slots, parent: nil)
    }

    /// Runs the template.
    func run() throws -> [UInt8] {
        defer { dissolve() }
        activation = Activation(slots: program.root.slots, parent: nil)
        remember(activation)
        _ = try program.root.run(self)
        return buffers[0]
    }

    /// Undoes circles among values, so that they are freed, and frees long chains link by link.
    private func dissolve() {
        for holder in holders { holder.dissolve() }
        holders = []
    }

    /// Notes something that circles of values may run through.
    func remember(_ holder: any Holder) {
        meter.hold(16)
        holders.append(holder)
    }

    /// Ends the run of a routine: variables that a macro or generator still sees stay.
    func finish(_ activation: inout Activation) {
        if !isKnownUniquelyReferenced(&activation) { remember(activation) }
    }

    /// The value of a variable that the template does not set itself, or nil.
    func resolve(_ name: String) -> Value? {
        exports[name] ?? variables[name] ?? Globals.all[name].map { .object(FunctionObject(name, $0)) }
            ?? (name == "dict" ? .object(DictionaryMaker()) : nil)
    }

    /// Appends to what is being written.
    func write(_ bytes: [UInt8]) throws {
        try meter.work(bytes.count >> 6)
        buffered += bytes.count
        try meter.check(output: buffered)
        buffers[buffers.count - 1] += bytes
    }

    /// Writes a value as `{{ }}` does.
    func write(_ value: Value) throws {
        switch value {
        case .string(let text) where !escapes: try write(text.bytes)
        case .undefined: break
        default: try write(escapes ? try escaped(value).bytes : try plainText(value).bytes)
        }
    }

    /// Catches what `body` writes.
    func capture(_ body: () throws -> Void) throws -> [UInt8] {
        buffers.append([])
        do { try body() } catch {
            buffered -= buffers.removeLast().count
            throw error
        }
        let bytes = buffers.removeLast()
        buffered -= bytes.count
        return bytes
    }

    /// Runs `body` one level of calls deeper.
    func deeper<Result>(_ body: () throws -> Result) throws -> Result {
        calls += 1
        defer { calls -= 1 }
        try meter.check(calls: calls)
        return try body()
    }

    /// Counts an evaluation that is open; call `leave` after it.
    @inline(__always)
    func enter() throws {
        try meter.work()
        evaluations &+= 1
        if evaluations > TemplateLimits.evaluations {
            throw HeedError(.badInput, "macros or loops call themselves too deep for the stack")
        }
    }

    @inline(__always)
    func leave() { evaluations &-= 1 }

    /// Text with the characters replaced that have a meaning in HTML, unless it is markup.
    func escaped(_ text: Text) throws -> Text {
        if text.isMarkup { return text }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.bytes.count)
        for byte in text.bytes {
            switch byte {
            case UInt8(ascii: "&"): bytes += Array("&amp;".utf8)
            case UInt8(ascii: "<"): bytes += Array("&lt;".utf8)
            case UInt8(ascii: ">"): bytes += Array("&gt;".utf8)
            case UInt8(ascii: "'"): bytes += Array("&#39;".utf8)
            case UInt8(ascii: "\""): bytes += Array("&#34;".utf8)
            default: bytes.append(byte)
            }
        }
        try meter.copy(bytes.count)
        return markup(bytes)
    }

    func escaped(_ value: Value) throws -> Text { try escaped(try softText(value)) }

    /// A name without a value.
    func undefined(_ name: String) -> Value { .undefined(Undefined(name: name)) }
}

/// The variables of one run of a macro, loop body or block; nil where a variable has no value.
final class Activation: Holder {
    var slots: [Value?]
    /// Where the variables around it are.
    let parent: Activation?

    init(slots: Int, parent: Activation?) {
        self.slots = Array(repeating: nil, count: slots)
        self.parent = parent
    }

    func dissolve() { slots = [] }
}

/// A small generator of random numbers with a seed (Steele et al. 2014, SplitMix64).
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}
