import Foundation
import Heed

/// The lines of a file that mean most nearly what a query says: `Notes MODEL FILE QUERY`.
@main
struct Notes {
    /// The lines of a file with their vectors, kept beside it so that they are computed once.
    struct Index: Codable {
        var lines: [String]
        var vectors: [[Float]]

        init(of file: URL, by embedder: TextEmbedder) throws {
            lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map(String.init)
            vectors = try embedder.embed(lines)
        }

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            lines = try container.decode([String].self, forKey: .lines)
            vectors = try container.decode([[Float]].self, forKey: .vectors)
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(lines, forKey: .lines)
            try container.encode(vectors, forKey: .vectors)
        }

        enum CodingKeys: String, CodingKey { case lines, vectors }
    }

    static func main() throws {
        let words = CommandLine.arguments
        guard words.count == 4 else { return print("usage: Notes MODEL FILE QUERY") }
        let embedder = try TextEmbedder(words[1])
        let file = URL(fileURLWithPath: words[2])
        let stored = file.appendingPathExtension("vectors.json")

        let index: Index
        if let data = try? Data(contentsOf: stored) {
            index = try JSONDecoder().decode(Index.self, from: data)
        } else {
            index = try Index(of: file, by: embedder)
            try JSONEncoder().encode(index).write(to: stored)
        }

        let query = try embedder.embed(words[3])
        let scores = index.vectors.map { TextEmbedder.cosine($0, query) }
        for best in scores.indices.sorted(by: { scores[$0] > scores[$1] }).prefix(3) {
            print(String(format: "%.3f", scores[best]), index.lines[best])
        }
    }
}
