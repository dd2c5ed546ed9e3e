import Foundation
import Heed

/// What every object of an answer begins with.
struct AnswerHead {
    let id: String
    let object: String
    let created: Int
    let model: String
    let fingerprint: String

    /// - Parameter prefix: what ids of this kind begin with, such as `cmpl-`.
    init(_ prefix: String, object: String, model: ServedModel) {
        id = prefix + AnswerHead.random()
        self.object = object
        created = Int(Date().timeIntervalSince1970)
        self.model = model.id
        fingerprint = model.fingerprint
    }

    /// An object with these choices.
    func object(_ choices: [JSON], usage: JSON? = nil, receipt: JSON? = nil) -> JSON {
        var members: JSONObject = [
            "id": .string(id), "object": .string(object), "created": .integer(created), "model": .string(model),
            "system_fingerprint": .string(fingerprint), "choices": .array(choices),
        ]
        if let usage { members["usage"] = usage }
        if let receipt { members["receipt"] = receipt }
        return .object(members)
    }

    /// 24 random digits.
    static func random() -> String {
        (0..<12).map { _ in UInt8.random(in: 0...255) }.hexadecimal
    }
}

/// What a request is answered with: of the choices of its job, once they have ended or as they come.
protocol JobAnswer: Sendable {
    var job: GenerationJob { get }
    var model: ServedModel { get }
    /// Whether the client asked for a stream.
    var streams: Bool { get }
    /// Whether a stream ends with `[DONE]`.
    var saysDone: Bool { get }

    /// The whole answer.
    func whole(_ collected: [CollectedChoice]) async -> JSON
    /// Writes the answer as it comes.
    func write(to stream: inout EventWriter) async throws
}

extension JobAnswer {
    var saysDone: Bool { true }
}
