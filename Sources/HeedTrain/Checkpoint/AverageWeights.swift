import HeedModels
import HeedSupport
import HeedTensor

/// The mean of the weights of several saved models of one shape (Vaswani et al. 2017, section 6.1).
///
/// Sums run in double precision over the folders as listed, so the result depends on nothing else. The result has the
/// configuration of the first folder.
/// - Throws: `HeedError` naming the folder whose model has another shape.
public func averageWeights(of folders: [String]) throws -> Model {
    guard let first = folders.first else {
        throw HeedError(.usage, "there is nothing to average", expected: "at least one model folder")
    }
    let result = try Model.load(folder: first)
    let count = result.parameters.layout.count
    var sums = (0..<count).map { Double(result.parameters.base[$0]) }
    for folder in folders.dropFirst() {
        let other = try Model.load(folder: folder)
        guard other.parameters.layout.parameters.map(Shape.init) == result.parameters.layout.parameters.map(Shape.init)
        else {
            throw HeedError(.badInput, "the model has another shape than that of \(first)", in: folder)
        }
        for index in 0..<count { sums[index] += Double(other.parameters.base[index]) }
    }
    for index in 0..<count { result.parameters.base[index] = Float(sums[index] / Double(folders.count)) }
    return result
}

private struct Shape: Equatable {
    let name: String
    let extents: [Int]

    init(_ parameter: Parameter) {
        name = parameter.name
        extents = parameter.shape
    }
}
