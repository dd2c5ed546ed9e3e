import Heed
import HeedSupport
import HeedTexts

/// The vectors of lines of text, one row each; a line that is blank or cannot be used has a row of zeros.
struct SentenceVectors {
    /// How many lines there are.
    let count: Int
    /// The length of a vector.
    let width: Int
    /// The rows, one after another.
    let values: [Float]
    /// Which lines have a vector.
    let isThere: [Bool]

    /// The vector of a line, or nil where it has none.
    func row(_ index: Int) -> ArraySlice<Float>? {
        isThere[index] ? values[index * width..<(index + 1) * width] : nil
    }
}

extension TextEmbedder {
    /// The vectors of a source's lines. Too long lines are cut, with a warning.
    ///
    /// - Returns: them, and the text of every line; nil for those without one.
    func vectors(of source: TextSource, _ errors: LineErrors) throws -> (vectors: SentenceVectors, texts: [String?]) {
        let lines = try source.map(errors) { content, place in
            let text = try content.text(in: place)
            let (ids, tokens) = try encode(text)
            if tokens > ids.count { errors.reportCut(place, tokens: tokens, kept: ids.count) }
            return (text: text, ids: ids)
        }
        let sentences = lines.compactMap { $0?.ids }
        let progress = Progress("Embedding", total: sentences.count)
        let found = try vectors(of: sentences) { progress.update(done: $0) }
        progress.finish()
        var values = [Float](repeating: 0, count: lines.count * width)
        var next = 0
        for (index, line) in lines.enumerated() where line != nil {
            values.replaceSubrange(index * width..<(index + 1) * width, with: found[next * width..<(next + 1) * width])
            next += 1
        }
        let vectors = SentenceVectors(
            count: lines.count, width: width, values: values, isThere: lines.map { $0 != nil })
        return (vectors, lines.map { $0?.text })
    }
}
