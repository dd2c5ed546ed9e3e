import HeedSupport

/// How far long work has come: a bar that redraws itself on a terminal, a plain line now and then in a pipe.
///
/// Everything goes to standard error, so results stay clean.
final class Progress {
    private let title: String
    private var total: Int
    /// Units that were done before: the time left is judged by those since.
    var origin = 0
    private let terminal: Terminal
    private let clock = ContinuousClock()
    private let began: ContinuousClock.Instant
    private var lastShown: ContinuousClock.Instant?
    private var lastTenth = -1
    private var isOpen = false

    /// - Parameters:
    ///   - title: what the work is, in one or two words.
    ///   - total: the number of units of work.
    init(_ title: String, total: Int, terminal: Terminal = .error) {
        self.title = title
        self.total = max(total, 1)
        self.terminal = terminal
        began = clock.now
    }

    /// Shows that `done` units are done, with what else is worth knowing: `["loss 1.93", "12,300 tokens/s"]`.
    ///
    /// Cheap where nothing is due: at most ten redraws a second on a terminal, one line per tenth of the work or half
    /// a minute in a pipe.
    func update(done: Int, _ details: @autoclosure () -> [String] = []) {
        if StandardError.isQuiet { return }
        let now = clock.now
        let isLast = done >= total
        // Work that is over at once needs no report.
        if lastShown == nil, now - began < (terminal.isInteractive ? .milliseconds(200) : .seconds(2)) { return }
        if terminal.isInteractive {
            if let lastShown, now - lastShown < .milliseconds(100), !isLast { return }
            let line = Progress.bar(title, done, total, details() + [timeLeft(done, now)], width: terminal.width)
            StandardError.write("\r\(line)\u{1B}[K")
            isOpen = true
        } else {
            let tenth = done * 10 / total
            let isDue = lastShown.map { now - $0 >= .seconds(30) } ?? true
            if tenth == lastTenth, !isDue { return }
            lastTenth = tenth
            let parts = ["\(title) \(grouped(done))/\(grouped(total))"] + details() + [timeLeft(done, now)]
            StandardError.writeLine(parts.filter { !$0.isEmpty }.joined(separator: ", "))
        }
        lastShown = now
    }

    /// Shows that `done` of `total` units are done, where the total was not known before.
    func update(done: Int, of total: Int, _ details: @autoclosure () -> [String] = []) {
        self.total = max(total, 1)
        update(done: done, details())
    }

    /// Writes a message above the bar.
    func note(_ text: String) {
        if isOpen { StandardError.write("\r\u{1B}[K") }
        StandardError.writeNote(text)
    }

    /// Leaves the last state of the bar on its line.
    func finish() {
        if isOpen { StandardError.writeLine() }
        isOpen = false
    }

    private func timeLeft(_ done: Int, _ now: ContinuousClock.Instant) -> String {
        let seconds = (now - began).inSeconds
        if done >= total { return "in \(Progress.duration(seconds))" }
        guard done > origin, seconds > 0.5 else { return "" }
        return Progress.duration(seconds * Double(total - done) / Double(done - origin)) + " left"
    }

    /// `Training ███████▍      52 %, loss 1.93, 3 min 20 s left`
    ///
    /// Where a line is too narrow for all, details go first, from the last but one to the second; the last is the time
    /// left, the first what matters most. Then the bar goes.
    static func bar(_ title: String, _ done: Int, _ total: Int, _ details: [String], width: Int) -> String {
        let percent = "\(min(done, total) * 100 / max(total, 1)) %"
        var shown = details.filter { !$0.isEmpty }
        func text() -> String { ([percent] + shown).joined(separator: ", ") }
        func room() -> Int { min(30, width - title.count - text().count - 4) }
        while room() < 6, !shown.isEmpty { shown.remove(at: shown.count > 2 ? shown.count - 2 : shown.count - 1) }
        guard room() >= 4 else { return String("\(title) \(text())".prefix(max(width - 1, 0))) }
        let eighths = min(done, total) * room() * 8 / max(total, 1)
        let parts = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]
        let filled = String(repeating: "█", count: eighths / 8) + parts[eighths % 8]
        return "\(title) \(filled)\(String(repeating: " ", count: room() - filled.count)) \(text())"
    }

    /// `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`.
    static func duration(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds >= 0, seconds < 1e9 else { return "?" }
        if seconds < 9.95 { return "\(Double(Int(seconds * 10 + 0.5)) / 10) s" }
        let whole = Int(seconds + 0.5)
        if whole < 60 { return "\(whole) s" }
        if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
        return "\(whole / 3600) h \(whole % 3600 / 60) min"
    }
}
