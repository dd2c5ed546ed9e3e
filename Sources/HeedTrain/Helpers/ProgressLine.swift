import HeedSupport

/// The line that says how far a run is; text only, printing is the caller's.
///
/// The speed is that of the last steps: a mean whose weights halve every 10 steps.
public struct ProgressLine: Sendable {
    private let steps: Int
    private var secondsPerStep = 0.0
    private var weight = 0.0

    /// The line of a run of `steps` steps.
    public init(steps: Int) { self.steps = steps }

    /// Takes a step's seconds and returns the line, for example
    /// `step 120/2000 · loss 2.4131 · 41,200 tokens/s · 3 min 12 s left`.
    public mutating func line(_ record: TrainingRecord, seconds: Double) -> String {
        let decay = 0.933_032_991_536_807_4  // 2^(−1/10)
        secondsPerStep = secondsPerStep * decay + seconds * (1 - decay)
        weight = weight * decay + (1 - decay)
        let left = Double(max(0, steps - record.step)) * secondsPerStep / weight
        var parts = [
            "step \(record.step)/\(steps)", "loss \(ProgressLine.fixed(record.loss, 4))",
            "\(grouped(Int(min(max(record.tokensPerSecond, 0), 1e15).rounded()))) tokens/s",
        ]
        if let loss = record.validationLoss { parts.insert("validation \(ProgressLine.fixed(loss, 4))", at: 2) }
        if record.step < steps { parts.append("\(ProgressLine.duration(left)) left") }
        return parts.joined(separator: " · ")
    }

    /// A duration for people: `48 s`, `3 min 12 s`, `2 h 05 min`.
    public static func duration(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds < 1e9 else { return "a long time" }
        let whole = Int(max(0, seconds).rounded())
        if whole < 60 { return "\(whole) s" }
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        if whole < 3600 { return "\(whole / 60) min \(two(whole % 60)) s" }
        return "\(whole / 3600) h \(two(whole / 60 % 60)) min"
    }

    /// The number with that many decimals.
    public static func fixed(_ value: Double, _ decimals: Int) -> String {
        guard value.isFinite, abs(value) < 1e12 else { return "\(value)" }
        var scale = 1.0
        for _ in 0..<decimals { scale *= 10 }
        let scaled = Int((abs(value) * scale).rounded())
        let whole = scaled / Int(scale)
        let fraction = String(scaled % Int(scale))
        let sign = value < 0 && scaled > 0 ? "-" : ""
        if decimals == 0 { return "\(sign)\(whole)" }
        return "\(sign)\(whole)." + String(repeating: "0", count: max(0, decimals - fraction.count)) + fraction
    }
}
