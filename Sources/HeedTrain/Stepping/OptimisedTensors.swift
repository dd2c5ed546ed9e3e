import HeedModels
import HeedProcessor
import HeedTensor

extension Model {
    /// What training moves, as an optimiser sees it that works on whole tensors: the published ones, of which several may
    /// be rows of one parameter.
    ///
    /// Hidden are the matrices of the blocks, an adapter's included; embeddings, position tables, output matrix and the
    /// heads of classifiers are not.
    var optimisedTensors: [OptimisedTensor] {
        let published = Dictionary(grouping: trainedTensors, by: \.parameter.index)
        let layout = weights.layout
        return layout.parameters.filter(layout.isTrained).flatMap { parameter -> [OptimisedTensor] in
            let start = layout.offset(of: parameter)
            let whole = start..<start + parameter.count
            guard parameter.shape.count == 2, let rows = parameter.shape.first, let columns = parameter.shape.last,
                columns > 0
            else { return [OptimisedTensor(places: [whole], columns: nil, isHidden: false)] }
            let path = parameter.name.split(separator: ".")
            let isAdapter = path.first == "adapter" && ["up", "down"].contains(path.last)
            let isHidden = isAdapter || path.contains("blocks")
            let parts = (published[parameter.index] ?? []).map { $0.rows ?? [0..<rows] }
            // Some parameters stand under several names, of which each has all of it.
            let covered = parts.joined().map { $0.lowerBound..<$0.upperBound }.sorted { $0.lowerBound < $1.lowerBound }
            let isPartition =
                covered.first?.lowerBound == 0 && covered.last?.upperBound == rows
                && zip(covered, covered.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound }
            return (isPartition ? parts : [[0..<rows]]).map { part in
                OptimisedTensor(
                    places: part.map { start + $0.lowerBound * columns..<start + $0.upperBound * columns },
                    columns: columns, isHidden: isHidden)
            }
        }
    }
}
