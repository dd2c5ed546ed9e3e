import CHeedKernels
import HeedSupport
import HeedTensor

/// A matrix [out, in] in panels of 48 outputs that take fewer bits than fp32, each panel in a form of its own.
///
/// Memory: that of the form, about what the file takes.
final class StoredPanels: @unchecked Sendable {
    // Sendable: written by whoever arranges the matrix, read by passes.

    /// What the kernels read; its address is part of every plan.
    let matrix: UnsafeMutablePointer<heed_stored>
    private let weight: Parameter
    private let out: Int
    private let width: Int
    private let forms: UnsafeMutablePointer<UInt8>
    private let panels: UnsafeMutablePointer<UnsafeRawPointer?>
    private var memory: AlignedMemory

    /// Bytes of the panels.
    private(set) var byteCount: Int
    private var panelCount: Int { (out + Panels.height - 1) / Panels.height }

    /// Room for panels in these forms.
    ///
    /// - Throws: `HeedError` (`io`) when memory is refused.
    private init(of weight: Parameter, forms wanted: [RowForm]) throws {
        self.weight = weight
        out = weight.shape.first ?? 0
        width = weight.shape.dropFirst().reduce(1, *)
        byteCount = StoredPanels.bytes(wanted, width: width)
        memory = try StoredPanels.room(byteCount)
        forms = .allocate(capacity: max(wanted.count, 1))
        panels = .allocate(capacity: max(wanted.count, 1))
        matrix = .allocate(capacity: 1)
        matrix.initialize(to: heed_stored(forms: forms, panels: panels, in: Int64(width), out: Int64(out)))
        place(wanted)
    }

    deinit {
        matrix.deallocate()
        forms.deallocate()
        panels.deallocate()
    }

    private static func bytes(_ forms: [RowForm], width: Int) -> Int {
        forms.reduce(0) { $0 + panelBytes($1, width) }
    }
    /// Large pages only where they are filled: a matrix in few bits must not take a large page for its last bytes.
    private static func room(_ bytes: Int) throws -> AlignedMemory {
        let memory = try AlignedMemory(byteCount: bytes, sparse: true)
        memory.useLargePages(0..<bytes)
        return memory
    }
    /// Every panel begins on a cache line.
    private static func panelBytes(_ form: RowForm, _ width: Int) -> Int {
        (Int(heed_form_panel_bytes(Int32(form.rawValue), Int64(width))) + 63) / 64 * 64
    }

    private func place(_ wanted: [RowForm]) {
        var next = memory.base
        for (index, form) in wanted.enumerated() {
            (forms + index).initialize(to: form.rawValue)
            (panels + index).initialize(to: UnsafeRawPointer(next))
            next += StoredPanels.panelBytes(form, width)
        }
    }

    private func panel(_ index: Int) -> UnsafeMutableRawPointer? {
        panels[index].map { UnsafeMutableRawPointer(mutating: $0) }
    }
    private func rows(of panel: Int) -> Range<Int> {
        panel * Panels.height..<min((panel + 1) * Panels.height, out)
    }

    /// The matrix in the form `form` of every number.
    ///
    /// - Throws: `HeedError` naming file and tensor, or the parameter where a number is beyond the form.
    static func rounded(_ numbers: ParameterNumbers, to form: RowForm, team: Team) throws -> StoredPanels {
        let count = ((numbers.parameter.shape.first ?? 0) + Panels.height - 1) / Panels.height
        let made = try StoredPanels(of: numbers.parameter, forms: Array(repeating: form, count: count))
        let isFilled = try numbers.forStoredRows(by: Panels.height) { stored, rows in
            let work = PanelWork(ofRows: rows) { index in
                stored.withNumbers(made.rows(of: index), width: made.width) { made.fill(index, from: $0) } ?? false
            }
            team.share(work)
            return work.succeeded
        }
        guard try isFilled || numbers.withRows({ made.fill(from: $0, team: team) }) else {
            throw HeedError(
                .numeric, "the parameter \(quoted(numbers.parameter.name)) holds numbers beyond the form of weights",
                expected: "numbers up to 65,504", advice: "Use --weights f32 or bf16.")
        }
        return made
    }

    /// The matrix as its file has it, where that takes fewer bits than fp32; nil otherwise. Panels whose rows differ in
    /// form hold fp32.
    ///
    /// - Throws: `HeedError` naming file and tensor.
    static func asStored(_ numbers: ParameterNumbers, team: Team) throws -> StoredPanels? {
        var made: StoredPanels?
        let isFilled = try numbers.forStoredRows(by: Panels.height) { stored, rows in
            guard stored.forms.contains(where: { $0 != .float32 }) else { return false }
            let panels = try made ?? StoredPanels(of: numbers.parameter, forms: forms(of: stored))
            made = panels
            if panels.fill(rows, from: stored, team: team) { return true }
            // A scale that is not finite: reading the numbers says where.
            try numbers.withRows { _ in }
            throw HeedError(.numeric, "the parameter \(quoted(numbers.parameter.name)) holds no finite numbers")
        }
        guard isFilled, let made else { return try numbers.numberForm.map { try rounded(numbers, to: $0, team: team) } }
        let mixed = (0..<made.panelCount).filter { made.forms[$0] == RowForm.float32.rawValue }
        if !mixed.isEmpty {
            try numbers.withRows { rows in
                guard let base = rows.baseAddress else { return }
                for panel in mixed { _ = made.fill(panel, from: base + made.rows(of: panel).lowerBound * made.width) }
            }
        }
        return made
    }

    /// By panel: the form of its rows, fp32 where they differ.
    private static func forms(of stored: StoredRows) -> [RowForm] {
        stride(from: 0, to: stored.forms.count, by: Panels.height).map { start in
            let rows = stored.forms[start..<min(start + Panels.height, stored.forms.count)]
            guard let first = rows.first, rows.allSatisfy({ $0 == first }) else { return .float32 }
            return first
        }
    }

    /// Arranges fp32 rows anew. Panels that held a file's blocks hold fp32 from then on.
    ///
    /// Returns false where a number is beyond a panel's form.
    @discardableResult
    func fill(from rows: UnsafeBufferPointer<Float>, team: Team) -> Bool {
        guard let base = rows.baseAddress else { return false }
        let work = PanelWork(0..<panelCount) { self.fill($0, from: base + self.rows(of: $0).lowerBound * self.width) }
        team.share(work)
        return work.succeeded
    }

    /// Makes room for fp32 in every panel.
    ///
    /// - Throws: `HeedError` (`io`) when memory is refused.
    func becomeFloat32() throws {
        guard (0..<panelCount).contains(where: { forms[$0] != RowForm.float32.rawValue }) else { return }
        let wanted = Array(repeating: RowForm.float32, count: panelCount)
        byteCount = StoredPanels.bytes(wanted, width: width)
        memory = try StoredPanels.room(byteCount)
        place(wanted)
    }

    /// Packs the rows of one panel, which lie one after the other.
    private func fill(_ index: Int, from rows: UnsafePointer<Float>) -> Bool {
        guard let panel = panel(index) else { return false }
        return heed_pack_numbers(
            rows, Int64(width), Int64(self.rows(of: index).count), Int64(width), Int32(forms[index]), panel) != 0
    }

    private func fill(_ rows: Range<Int>, from stored: StoredRows, team: Team) -> Bool {
        let work = PanelWork(ofRows: rows) { index in
            guard self.forms[index] != RowForm.float32.rawValue else { return true }
            guard let panel = self.panel(index) else { return false }
            let range = self.rows(of: index)
            return stored.addresses.withUnsafeBufferPointer { addresses in
                heed_pack_blocks(
                    addresses.baseAddress.map { $0 + range.lowerBound }, Int64(range.count), Int64(self.width),
                    Int32(self.forms[index]), panel) != 0
            }
        }
        team.share(work)
        return work.succeeded
    }
}

/// Panels that a team arranges, each by one thread.
final class PanelWork: TeamWork {
    private let panels: Range<Int>
    private let body: (Int) -> Bool
    private let failures = UnsafeMutablePointer<Bool>.allocate(capacity: 1024)

    init(_ panels: Range<Int>, _ body: @escaping (Int) -> Bool) {
        self.panels = panels
        self.body = body
        failures.initialize(repeating: false, count: 1024)
    }

    /// The panels that hold `rows`, which begin with a panel.
    convenience init(ofRows rows: Range<Int>, _ body: @escaping (Int) -> Bool) {
        self.init(rows.lowerBound / Panels.height..<(rows.upperBound + Panels.height - 1) / Panels.height, body)
    }

    deinit { failures.deallocate() }

    /// Whether every panel could be arranged.
    var succeeded: Bool { !(0..<1024).contains { failures[$0] } }

    func run(part: Int, of parts: Int) {
        for index in stride(from: panels.lowerBound + part, to: panels.upperBound, by: parts) where !body(index) {
            failures[part] = true
        }
    }
}
