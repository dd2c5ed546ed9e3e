import Foundation
import Heed
import Logging

/// Writes each message as a line of JSON on standard error.
struct JSONLogHandler: LogHandler {
    let label: String
    var logLevel = Logger.Level.notice
    var metadata = Logger.Metadata()

    init(label: String) { self.label = label }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var members: JSONObject = [
            "time": .number((Date().timeIntervalSince1970 * 1000).rounded() / 1000),
            "level": .string(event.level.rawValue),
            "message": .string(event.message.description),
        ]
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        if let error = event.error { members["error"] = .string("\(error)") }
        for (key, value) in all.sorted(by: { $0.key < $1.key }) { members[key] = .string(value.description) }
        var bytes = JSON.object(members).serialisedBytes()
        bytes.append(0x0A)
        FileHandle.standardError.write(Data(bytes))
    }
}
