import HeedSupport

/// How far a run has come: what each of its steps leaves to the next.
struct RunCourse {
    /// The last step that is done.
    var step = 0
    /// Whether the validation loss no longer falls, as measured since this start.
    private(set) var isOver = false
    private(set) var stopping: EarlyStopping
    private(set) var noise = GradientNoise()
    /// The loss of the last step, where one was done.
    private(set) var loss: Double?
    /// The last validation loss, where one was measured.
    private(set) var validationLoss: Double?
    /// Tokens read since this start.
    private(set) var tokens = 0

    /// From the beginning, or on from `state`.
    init(patience: Int?, from state: RunState?) {
        stopping = EarlyStopping(patience: patience, best: state?.best, waited: state?.waited ?? 0)
        if let state { (step, noise) = (state.step, state.noise) }
    }

    /// Takes note of what a step did.
    mutating func take(_ result: StepResult) {
        loss = result.loss
        tokens += result.tokens
        if let estimate = result.noise { noise.take(estimate) }
    }

    /// Takes note of a validation loss.
    mutating func observe(_ loss: Double) {
        validationLoss = loss
        stopping.observe(loss)
        isOver = stopping.isOver
    }

    /// What a save says of it.
    func state(isFinished: Bool, identity: JSONObject) -> RunState {
        RunState(
            step: step, isFinished: isFinished, best: stopping.best, waited: stopping.waited, noise: noise,
            identity: identity)
    }
}
