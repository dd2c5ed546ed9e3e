import Heed

/// An encoder; the engine's thread computes with it, so that it shares the processor with other models in turn.
final class EmbeddingLane: Sendable {
    let width: Int
    let longest: Int
    private let embedder: TextEmbedder

    /// So many texts are embedded before others have their turn.
    static let piece = 32

    init(_ embedder: TextEmbedder) {
        self.embedder = embedder
        width = embedder.width
        longest = embedder.longest
    }

    /// The vectors of texts, piece by piece on the engine's thread.
    func embed(_ texts: [[Int32]], in engine: Engine) async throws -> [[Float]] {
        var vectors: [[Float]] = []
        for start in stride(from: 0, to: texts.count, by: EmbeddingLane.piece) {
            try Task.checkCancellation()
            let some = Array(texts[start..<min(start + EmbeddingLane.piece, texts.count)])
            let values = try await engine.perform { try self.embedder.vectors(of: some) }
            for place in some.indices { vectors.append(Array(values[place * width..<(place + 1) * width])) }
        }
        return vectors
    }
}
