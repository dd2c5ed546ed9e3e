import Dispatch

/// Carries what came of jobs to the tasks that wait for it, in order.
///
/// Waking a task costs more than choosing an id. On a thread of its own it costs no step anything where a processor is
/// idle, and a step hands all of its ids over at once.
///
/// Only the engine's thread touches it.
final class Teller {
    private enum Word {
        case event(GenerationJob, ChoiceEvent)
        case end(GenerationJob, (any Error)?)
    }

    private let queue = DispatchQueue(label: "heed teller")
    private var words: [Word] = []

    /// Says that something came of a job.
    func tell(_ job: GenerationJob, choice: Int, _ what: ChoiceEvent.What) {
        words.append(.event(job, ChoiceEvent(choice: choice, what: what)))
    }

    /// Says that nothing more comes of a job.
    func end(_ job: GenerationJob, because error: (any Error)? = nil) { words.append(.end(job, error)) }

    /// Lets everything that was said go its way.
    func send() {
        guard !words.isEmpty else { return }
        queue.async { [words] in
            for word in words {
                switch word {
                case .event(let job, let event): job.output.yield(event)
                case .end(let job, let error): job.output.finish(throwing: error)
                }
            }
        }
        words = []
    }
}
