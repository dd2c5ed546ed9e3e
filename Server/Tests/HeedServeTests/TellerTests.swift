import Heed
import Testing

@testable import HeedServe

@Suite("What came of jobs on its way to their clients")
struct TellerTests {
    @Test("everything arrives in order, and the end last")
    func order() async throws {
        let teller = Teller()
        let jobs = (0..<3).map { _ in GenerationJob(choices: [], options: GenerationOptions()) }
        for step in 0..<50 {
            for job in jobs {
                teller.tell(job, choice: 0, .token(id: Int32(step), isEnd: false, text: "", scored: nil))
            }
            teller.send()
        }
        teller.end(jobs[0])
        teller.end(jobs[1], because: APIError.late)
        teller.end(jobs[2])
        teller.send()
        for (number, job) in jobs.enumerated() {
            var ids: [Int32] = []
            var failure: APIError?
            do {
                for try await event in job.events {
                    if case .token(let id, _, _, _) = event.what { ids.append(id) }
                }
            } catch { failure = error as? APIError }
            #expect(ids == Array(0..<50))
            #expect(failure == (number == 1 ? .late : nil))
        }
    }
}
