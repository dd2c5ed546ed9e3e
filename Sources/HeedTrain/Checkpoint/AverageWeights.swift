import HeedModels
import HeedSupport
import HeedTensor

/// The mean of the weights of several saved models of one shape (Vaswani et al. 2017, section 6.1).
///
/// Sums run in double precision over the folders as listed, so the result depends on nothing else. The result has the
/// configuration of the first folder.
/// - Throws: `HeedError` naming the folder whose model has another shape.
package func averageWeights(of folders: [String]) throws -> Model {
    guard let first = folders.first else {
        throw HeedError(.usage, "there is nothing to average", expected: "at least one model folder")
    }
    let result = try Model.load(folder: first)
    let mean = try result.weights.all()
    var sums = (0..<mean.count).map { Double(mean.base[$0]) }
    for folder in folders.dropFirst() {
        let other = try Model.load(folder: folder).weights.all()
        guard other.layout.parameters.map(NamedExtents.init) == mean.layout.parameters.map(NamedExtents.init) else {
            throw HeedError(.badInput, "the model has another shape than that of \(first)", in: folder)
        }
        for index in sums.indices { sums[index] += Double(other.base[index]) }
    }
    for index in sums.indices { mean.base[index] = Float(sums[index] / Double(folders.count)) }
    return result
}

private struct NamedExtents: Equatable {
    let name: String
    let extents: [Int]

    init(_ parameter: Parameter) {
        name = parameter.name
        extents = parameter.shape
    }
}
