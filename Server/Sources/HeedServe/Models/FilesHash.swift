import Dispatch
import Heed
import NIOConcurrencyHelpers

/// The hash of a model's files, found in the background: large models take seconds.
final class FilesHash: Sendable {
    private let state = NIOLockedValueBox(State())

    private struct State {
        var value: String?
        var waiting: [CheckedContinuation<String, Never>] = []
    }

    init(_ path: String, adapter: String?) {
        DispatchQueue.global(qos: .utility).async { [self] in
            let value = (try? ModelFiles.hash(path, adapter: adapter)) ?? ""
            let waiting = state.withLockedValue { state in
                state.value = value
                defer { state.waiting = [] }
                return state.waiting
            }
            for continuation in waiting { continuation.resume(returning: value) }
        }
    }

    /// The hash, once it is known; empty where a file could not be read.
    var value: String {
        get async {
            await withCheckedContinuation { continuation in
                let known = state.withLockedValue { state -> String? in
                    if state.value == nil { state.waiting.append(continuation) }
                    return state.value
                }
                if let known { continuation.resume(returning: known) }
            }
        }
    }
}

extension ServedModel {
    /// The receipt of an answer.
    ///
    /// - Parameter choices: the numbers of the choices of the job that are part of it, and what came of them.
    func receipt(
        _ job: GenerationJob, form: Receipt.Form?, _ choices: [(number: Int, ids: [Int32])]
    ) async -> JSON {
        var prompts: [GenerationPrompt] = []
        var list: [Receipt.Choice] = []
        var options = job.options
        options.constraint = nil
        for (number, ids) in choices {
            let plan = job.choices[number]
            if prompts.last != plan.prompt { prompts.append(plan.prompt) }
            list.append(.init(prompt: prompts.count - 1, number: plan.number, ids: ids))
        }
        return Receipt(
            version: HeedServer.version, model: id, modelHash: await hash.value,
            computation: .init(numbers: weights.rawValue, cache: cache, instructionSet: instructionSet),
            prompts: prompts, options: options, form: form, choices: list
        ).json
    }
}
