import Heed
import Metrics

/// What the engine counts, through swift-metrics.
public struct EngineFigures: Sendable {
    private let waitingJobs: Meter
    private let queueSeconds: Recorder
    private let firstTokenSeconds: Recorder
    private let nextTokenSeconds: Recorder
    private let stepSeconds: Recorder
    private let besidePassSeconds: Recorder
    private let batchRows: Recorder
    private let runningRows: Meter
    private let promptTokens: Counter
    private let newTokens: Counter
    private let sharedTokens: Meter
    private let keptTokens: Meter

    /// Figures that go to `factory`.
    public init(factory: any MetricsFactory) {
        func meter(_ name: String) -> Meter { Meter(label: name, factory: factory) }
        func recorder(_ name: String) -> Recorder {
            Recorder(label: name, aggregate: true, factory: factory)
        }
        waitingJobs = meter("heed_requests_waiting")
        queueSeconds = recorder("heed_queue_seconds")
        firstTokenSeconds = recorder("heed_time_to_first_token_seconds")
        nextTokenSeconds = recorder("heed_time_per_output_token_seconds")
        stepSeconds = recorder("heed_step_seconds")
        besidePassSeconds = recorder("heed_step_outside_pass_seconds")
        batchRows = recorder("heed_batch_rows")
        runningRows = meter("heed_rows_running")
        promptTokens = Counter(label: "heed_prompt_tokens_total", factory: factory)
        newTokens = Counter(label: "heed_generation_tokens_total", factory: factory)
        sharedTokens = meter("heed_prefix_shared_tokens")
        keptTokens = meter("heed_prefix_kept_tokens")
        waitingJobs.set(0)
        runningRows.set(0)
    }

    func waiting(_ change: Int) { waitingJobs.increment(by: Double(change)) }

    func admitted(after seconds: Double) { queueSeconds.record(seconds) }

    func token(sinceLast seconds: Double, isFirst: Bool, prompt: Int) {
        newTokens.increment()
        if isFirst {
            promptTokens.increment(by: prompt)
            firstTokenSeconds.record(seconds)
        } else {
            nextTokenSeconds.record(seconds)
        }
    }

    func step(rows: Int, left: Int, seconds: Double, passSeconds: Double, prefixes: PrefixCache) {
        stepSeconds.record(seconds)
        besidePassSeconds.record(max(0, seconds - passSeconds))
        batchRows.record(Double(rows))
        runningRows.set(left)
        sharedTokens.set(prefixes.sharedTokens)
        keptTokens.set(prefixes.keptTokens)
    }
}
