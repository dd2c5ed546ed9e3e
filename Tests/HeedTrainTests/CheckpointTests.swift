import HeedSupport
import HeedTrain
import HeedWeights
import Testing

/// A run without a model: numbers that each step changes by a rule of their own.
private final class ToyRun {
    var weights: [Float] = (0..<40).map { Float($0) }
    var moments: [Float] = Array(repeating: 0, count: 40)
    var step = 0

    func advance() {
        step += 1
        for index in weights.indices {
            moments[index] = 0.9 * moments[index] + weights[index] / Float(step + index + 1)
            weights[index] -= 0.1 * moments[index]
        }
    }

    func withTensors<Result>(_ body: ([StateTensor]) throws -> Result) rethrows -> Result {
        try weights.withUnsafeMutableBufferPointer { weights in
            try moments.withUnsafeMutableBufferPointer { moments in
                try body([
                    StateTensor("weights/a", shape: [4, 10], weights), StateTensor("moments/a", shape: [40], moments),
                ])
            }
        }
    }

    /// Writes the public model as the trainer does; `moment` is called wherever a kill could come.
    func publish(_ values: [Float], _ folder: String, _ moment: @escaping (String) -> Void) throws {
        try writeAtomically(path: joinPath(folder, "config.json")) { writer in
            try writer.write("{\"model_type\":")
            moment("within config.json")
            try writer.write(" \"toy\"}")
        }
        moment("after config.json")
        try writeSafetensors(
            path: joinPath(folder, "model.safetensors"),
            [
                TensorToWrite("a", shape: [4, 10]) { writer in
                    moment("within model.safetensors")
                    try values.withUnsafeBufferPointer { try writer.append($0) }
                }
            ])
    }

    /// Runs to `last`, saving every third step, from what `folder` holds.
    func run(in folder: String, to last: Int, moment: @escaping (String) -> Void = { _ in }) throws {
        let store = try CheckpointStore(folder: folder)
        store.observer = moment
        if let saved = try store.load() {
            try saved.state.check(against: ["--lr": 0.1, "--batch": 2], dataFingerprint: 77, in: folder)
            try withTensors { try saved.read(into: $0) }
            step = saved.state.step
        }
        while step < last {
            advance()
            guard step % 3 == 0 || step == last else { continue }
            let state = TrainingState(
                step: step, tokens: step * 8, options: ["--lr": 0.1, "--batch": 2], dataFingerprint: 77)
            let values = weights
            try withTensors { tensors in
                try store.save(state, tensors, keeping: 2) { try publish(values, $0, moment) }
            }
        }
    }
}

@Suite("Checkpoints")
struct CheckpointTests {
    @Test("a run killed at any moment between two operations goes on to the same bits and leaves nothing behind")
    func killedAnywhere() throws {
        try withTemporaryFolder { place in
            let whole = joinPath(place, "whole")
            let untouched = ToyRun()
            try untouched.run(in: whole, to: 10)
            let expected = try readFile(joinPath(whole, "model.safetensors"))

            // Each moment's copy of the folder is what a kill at that moment would leave.
            let killed = joinPath(place, "killed")
            var snapshots: [(moment: String, folder: String)] = []
            var failure: (any Error)?
            try ToyRun().run(in: killed, to: 10) { moment in
                let copy = joinPath(place, "snapshot-\(snapshots.count)")
                do { try copyTree(killed, copy) } catch { failure = error }
                snapshots.append((moment, copy))
            }
            #expect(failure == nil)
            #expect(snapshots.count >= 28)
            #expect(try snapshots.contains { try listDirectory($0.folder).contains { $0.contains(".tmp-") } })

            for (moment, folder) in snapshots {
                if fileExists(joinPath(folder, "model.safetensors")) {
                    _ = try SafetensorsFile(path: joinPath(folder, "model.safetensors")).floats("a")
                    _ = try JSON.load(path: joinPath(folder, "config.json"))
                }
                let resumed = ToyRun()
                try resumed.run(in: folder, to: 10)
                #expect(resumed.weights == untouched.weights, "killed \(moment)")
                #expect(resumed.moments == untouched.moments, "killed \(moment)")
                #expect(try readFile(joinPath(folder, "model.safetensors")) == expected, "killed \(moment)")
                #expect(
                    try listDirectory(folder) == [
                        "checkpoints", "config.json", "model.safetensors", "training_state.safetensors",
                    ])
                #expect(try listDirectory(joinPath(folder, "checkpoints")).count == 2)
            }
        }
    }

    @Test("a write that fails leaves the save before")
    func failedWrite() throws {
        try withTemporaryFolder { folder in
            let run = ToyRun()
            try run.run(in: folder, to: 3)
            let before = try readFile(joinPath(folder, "training_state.safetensors"))
            let store = try CheckpointStore(folder: folder)
            run.advance()
            let state = TrainingState(step: 4, tokens: 1, options: [:], dataFingerprint: 1)
            #expect(throws: HeedError.self) {
                try run.withTensors { tensors in
                    try store.save(state, tensors) { _ in throw HeedError(.io, "the disk is full") }
                }
            }
            #expect(try readFile(joinPath(folder, "training_state.safetensors")) == before)
            #expect(try store.load()?.state.step == 3)
        }
    }

    @Test("other options, other data and other models are refused by name")
    func mismatch() throws {
        try withTemporaryFolder { folder in
            let run = ToyRun()
            try run.run(in: folder, to: 3)
            let saved = try #require(try CheckpointStore(folder: folder).load())
            var error = #expect(throws: HeedError.self) {
                try saved.state.check(against: ["--lr": 0.2], dataFingerprint: 77, in: folder)
            }
            #expect(error?.description.contains("--lr") == true)
            error = #expect(throws: HeedError.self) {
                try saved.state.check(against: ["--lr": 0.1], dataFingerprint: 78, in: folder)
            }
            #expect(error?.description.contains("--data") == true)
            error = #expect(throws: HeedError.self) {
                try run.withTensors { try saved.read(into: [StateTensor("weights/b", shape: [40], $0[0].values)]) }
            }
            #expect(error?.description.contains("weights/b") == true)
            try writeAtomically(path: joinPath(folder, "training_state.safetensors"), text: "nonsense")
            #expect(throws: HeedError.self) { try CheckpointStore(folder: folder).load() }
        }
    }

    @Test("two runs cannot share a folder")
    func lock() throws {
        try withTemporaryFolder { folder in
            let first = try CheckpointStore(folder: folder)
            let error = #expect(throws: HeedError.self) { try CheckpointStore(folder: folder) }
            #expect(error?.description.contains("another process") == true)
            #expect(try first.load() == nil)
        }
    }

    @Test("fingerprints of options come back from JSON as they were")
    func fingerprint() throws {
        try withTemporaryFolder { folder in
            let options = TrainingOptions().fingerprint
            let run = ToyRun()
            let store = try CheckpointStore(folder: folder)
            let state = TrainingState(
                step: 1, tokens: 8, options: options, dataFingerprint: .max, bestValidationLoss: 2.25,
                evaluationsWithoutGain: 3)
            try run.withTensors { tensors in try store.save(state, tensors) { _ in } }
            let back = try #require(try store.load()?.state)
            #expect(throws: Never.self) { try back.check(against: options, dataFingerprint: .max, in: folder) }
            #expect(back.bestValidationLoss == 2.25 && back.evaluationsWithoutGain == 3)
        }
    }

    @Test("the mean of weight files")
    func average() throws {
        try withTemporaryFolder { folder in
            let paths = try [[1, 2], [3, 5], [8, -1]].enumerated().map { index, values in
                let path = joinPath(folder, "\(index).safetensors")
                try writeSafetensors(path: path, [TensorToWrite("a", shape: [2], values.map { Float($0) })])
                return path
            }
            let output = joinPath(folder, "mean.safetensors")
            try averageWeights(paths, output: output)
            #expect(try SafetensorsFile(path: output).floats("a") == [4, 2])
            #expect(throws: HeedError.self) { try averageWeights([], output: output) }
        }
    }
}
