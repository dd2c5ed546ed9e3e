import HeedProcessor
import HeedSupport
import HeedTensor
import HeedWeights

/// What the optimiser of a run remembers, as a checkpoint holds it: whole, however many ranks share it.
struct OptimiserMemory {
    let update: OptimiserUpdate
    /// How the numbers are shared among ranks, in blocks of `OptimiserUpdate.blockLength`.
    let slices: RankSlices
    /// The running mean of the weights, where there is one; every rank has all of it.
    let mean: RunningMean?

    /// Names in the file.
    private static let names = ["first_moment", "second_moment"]

    /// The moments for a file of rank 0, each of `count` numbers; slices of other ranks are received when they are
    /// written, in the order in which `send` gives them.
    func tensors(count: Int, _ sum: StateChecksum) -> [TensorToWrite] {
        let moments = zip(OptimiserMemory.names, update.moments).map { name, moment in
            TensorToWrite(name, .f32, shape: [count]) { writer in
                var received: [Float] = []
                for (owner, units) in slices.owners {
                    guard owner != slices.communicator.rank else {
                        sum.add(UnsafeRawBufferPointer(moment.values))
                        try writer.append(raw: UnsafeRawBufferPointer(moment.values))
                        continue
                    }
                    received = [Float](repeating: 0, count: elements(units, count).count)
                    try received.withUnsafeMutableBytes {
                        try slices.communicator.exchange(
                            with: owner, send: UnsafeRawBufferPointer(start: nil, count: 0), receive: $0)
                    }
                    try received.withUnsafeBytes {
                        sum.add($0)
                        try writer.append(raw: $0)
                    }
                }
            }
        }
        func whole(_ name: String, _ values: UnsafeMutableBufferPointer<Float>) -> TensorToWrite {
            TensorToWrite(name, .f32, shape: [values.count]) { writer in
                sum.add(UnsafeRawBufferPointer(values))
                try writer.append(raw: UnsafeRawBufferPointer(values))
            }
        }
        return moments + everywhere(count).map(whole)
    }

    /// What every rank has all of, by name.
    private func everywhere(_ count: Int) -> [(String, UnsafeMutableBufferPointer<Float>)] {
        [
            update.shared.map { ("factors", $0.values) },
            mean.map { ("mean", UnsafeMutableBufferPointer(start: $0.values.base, count: count)) },
        ].compactMap { $0 }
    }

    /// Sends this rank's slices to rank 0, which writes them.
    func send() throws {
        for moment in update.moments where !moment.range.isEmpty {
            try slices.communicator.exchange(
                with: 0, send: UnsafeRawBufferPointer(moment.values),
                receive: UnsafeMutableRawBufferPointer(start: nil, count: 0))
        }
    }

    /// Reads this rank's slices of a file whose moments are `count` numbers each.
    ///
    /// - Throws: `HeedError` naming file and tensor.
    func read(_ file: SafetensorsFile, count: Int) throws {
        for (name, moment) in zip(OptimiserMemory.names, update.moments) {
            let tensor = try file.required(name, shape: [count])
            try file.withView(of: tensor) { try $0.read(elements: moment.range, into: moment.values) }
        }
        for (name, values) in everywhere(count) {
            let tensor = try file.required(name, shape: [values.count])
            try file.withView(of: tensor) { try $0.read(elements: 0..<values.count, into: values) }
        }
    }

    private func elements(_ units: Range<Int>, _ count: Int) -> Range<Int> {
        let unit = OptimiserUpdate.blockLength
        return min(units.lowerBound * unit, count)..<min(units.upperBound * unit, count)
    }
}
