import HeedModels
import HeedTensor

/// One side of a pass: how the packed rows of a ragged batch lie in the padded matrix that came in.
struct PassSide {
    let rows: Int
    let columns: Int
    /// The columns of each row that are there, ascending.
    let visible: [[Int]]

    /// The tokens of all rows.
    var count: Int { visible.reduce(0) { $0 + $1.count } }

    /// Rows back at their columns, zeros between: [rows, columns, width].
    func padded(_ observation: PassValues) -> [Float] {
        let width = observation.columns
        var result = [Float](repeating: 0, count: rows * columns * width)
        var packed = 0
        for row in 0..<rows {
            for column in visible[row] {
                let target = (row * columns + column) * width
                observation.withRow(packed) { result.replaceSubrange(target..<target + width, with: $0) }
                packed += 1
            }
        }
        return result
    }

    /// Attention weights of this side's queries back at their places, zeros between: [rows, heads, columns, keys.columns].
    ///
    /// `stride` is the number of keys that each packed row has room for.
    func maps(_ observation: PassValues, over keys: PassSide, stride: Int) -> [Float] {
        let heads = observation.columns / max(stride, 1)
        var result = [Float](repeating: 0, count: rows * heads * columns * keys.columns)
        var packed = 0
        for row in 0..<rows {
            for query in visible[row] {
                observation.withRow(packed) { weights in
                    for head in 0..<heads {
                        let target = ((row * heads + head) * columns + query) * keys.columns
                        for (index, key) in keys.visible[row].enumerated() {
                            result[target + key] = weights[head * stride + index]
                        }
                    }
                }
                packed += 1
            }
        }
        return result
    }
}
