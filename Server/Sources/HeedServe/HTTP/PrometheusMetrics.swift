import Metrics
import NIOConcurrencyHelpers

/// A metrics back end that keeps every figure and tells them in Prometheus' text format (version 0.0.4).
///
/// Recorders and timers become histograms, timers in seconds. Names keep letters, digits, `_` and `:`.
public final class PrometheusMetrics: MetricsFactory, Sendable {
    private let series = NIOLockedValueBox<[Key: Series]>([:])

    private struct Key: Hashable {
        let name: String
        let labels: String
    }

    /// No figures yet.
    public init() {}

    /// All figures.
    public func text() -> String {
        let all = series.withLockedValue { $0 }
        var text = ""
        for (name, entries) in Dictionary(grouping: all, by: { $0.key.name }).sorted(by: { $0.key < $1.key }) {
            guard let kind = entries.first?.value.kind else { continue }
            text += "# TYPE \(name) \(kind.rawValue)\n"
            for (key, series) in entries.sorted(by: { $0.key.labels < $1.key.labels }) {
                text += series.text(name, key.labels)
            }
        }
        return text
    }

    private func series(_ label: String, _ dimensions: [(String, String)], _ kind: Series.Kind) -> Series {
        let name = String(label.unicodeScalars.map { PrometheusMetrics.isName($0) ? Character($0) : "_" })
        let labels = dimensions.map { "\($0.0)=\"\(PrometheusMetrics.escaped($0.1))\"" }.joined(separator: ",")
        return series.withLockedValue { all in
            let key = Key(name: name, labels: labels)
            if let known = all[key] { return known }
            let new = Series(kind)
            all[key] = new
            return new
        }
    }

    private static func isName(_ scalar: Unicode.Scalar) -> Bool {
        scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil) || scalar == "_"
            || scalar == ":"
    }

    private static func escaped(_ value: String) -> String {
        value.reduce(into: "") { text, character in
            switch character {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.append(character)
            }
        }
    }

    // MARK: - MetricsFactory

    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        series(label, dimensions, .counter)
    }
    public func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler { series(label, dimensions, .counter) }
    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        series(label, dimensions, .gauge)
    }
    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        series(label, dimensions, aggregate ? .histogram : .gauge)
    }
    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        series(label, dimensions, .histogram)
    }
    public func destroyCounter(_ handler: any CounterHandler) {}
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    public func destroyMeter(_ handler: any MeterHandler) {}
    public func destroyRecorder(_ handler: any RecorderHandler) {}
    public func destroyTimer(_ handler: any TimerHandler) {}
}

/// One figure.
private final class Series: Sendable, CounterHandler, FloatingPointCounterHandler, MeterHandler, RecorderHandler,
    TimerHandler
{
    enum Kind: String { case counter, gauge, histogram }

    private struct State {
        var value = 0.0
        var count = 0
        /// By the place of the first bound that is not below the value.
        var buckets = [Int](repeating: 0, count: Series.bounds.count)
    }

    /// From half a millisecond, or one row, to some minutes, or many rows.
    static let bounds: [Double] = [
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256,
    ]

    let kind: Kind
    private let state = NIOLockedValueBox(State())

    init(_ kind: Kind) { self.kind = kind }

    private func add(_ amount: Double) { state.withLockedValue { $0.value += amount } }
    private func put(_ value: Double) { state.withLockedValue { $0.value = value } }

    private func observe(_ value: Double) {
        guard kind == .histogram else { return put(value) }
        state.withLockedValue { state in
            state.value += value
            state.count += 1
            if let place = Series.bounds.firstIndex(where: { value <= $0 }) { state.buckets[place] += 1 }
        }
    }

    func increment(by amount: Int64) { add(Double(amount)) }
    func increment(by amount: Double) { add(amount) }
    func decrement(by amount: Double) { add(-amount) }
    func set(_ value: Int64) { put(Double(value)) }
    func set(_ value: Double) { put(value) }
    func record(_ value: Int64) { observe(Double(value)) }
    func record(_ value: Double) { observe(value) }
    func recordNanoseconds(_ duration: Int64) { observe(Double(duration) * 1e-9) }
    func reset() { state.withLockedValue { $0 = State() } }

    func text(_ name: String, _ labels: String) -> String {
        let now = state.withLockedValue { $0 }
        func line(_ suffix: String, _ labels: String, _ value: String) -> String {
            name + suffix + (labels.isEmpty ? "" : "{\(labels)}") + " " + value + "\n"
        }
        func number(_ value: Double) -> String { Int(exactly: value).map { "\($0)" } ?? "\(value)" }
        guard kind == .histogram else { return line("", labels, number(now.value)) }
        var text = ""
        var sum = 0
        for (bound, count) in zip(Series.bounds.map(number) + ["+Inf"], now.buckets + [0]) {
            sum = bound == "+Inf" ? now.count : sum + count
            text += line("_bucket", (labels.isEmpty ? "" : labels + ",") + "le=\"\(bound)\"", "\(sum)")
        }
        return text + line("_sum", labels, number(now.value)) + line("_count", labels, "\(now.count)")
    }
}
