import HeedSupport
import Testing

@testable import HeedTrain

@Suite("Logs")
struct LogTests {
    private func row(_ step: Int) -> LogRow {
        LogRow(
            step: step, loss: 2.5, rate: 1e-3, gradientNorm: 1.25, tokens: 64, tokensPerSecond: 1234.56,
            validationLoss: step == 2 ? 2.75 : nil)
    }

    @Test("one whole line per step, cut back to the last save")
    func lines() throws {
        let path = temporaryPath("log.jsonl")
        defer { try? removeFile(path) }
        try writeAtomically(path: path, text: "an older log\n")
        do {
            let log = try TrainingLog(path: path, keepingUpTo: 0)
            for step in 1...4 { try log.append(row(step)) }
        }
        let one = #"{"step":1,"loss":2.5,"lr":0.001,"grad_norm":1.25,"tokens":64,"tokens_per_second":1234.6}"# + "\n"
        let two = one.replacing("\"step\":1", with: "\"step\":2")
            .replacing("}", with: ",\"validation_loss\":2.75}")
        let whole = String(decoding: try readFile(path), as: UTF8.self)
        #expect(whole.hasPrefix(one + two) && whole.split(separator: "\n").count == 4)
        // A line cut short, garbage and a step that stands twice.
        try writeAtomically(path: path, text: whole + "nonsense\n" + two + "{\"step\":5,")
        do {
            let log = try TrainingLog(path: path, keepingUpTo: 2)
            try log.append(row(3))
        }
        let three = one.replacing("\"step\":1", with: "\"step\":3")
        #expect(String(decoding: try readFile(path), as: UTF8.self) == one + two + three)
        let missing = joinPath(temporaryPath("nowhere"), "log.jsonl")
        #expect(throws: HeedError.self) { try TrainingLog(path: missing, keepingUpTo: 0) }
    }

    @Test("the checksum of RFC 3720")
    func checksum() {
        #expect(CRC32C.checksum(Array("123456789".utf8)) == 0xE306_9283)
        #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(CRC32C.checksum([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
    }

    @Test("event files are chains of sound records")
    func events() throws {
        let folder = temporaryPath("events")
        defer { try? removeTree(folder) }
        do {
            let file = try EventFile(folder: folder, resumingFrom: 7)
            try file.append(step: 8, ["loss/train": 1.5, "learning rate": 0.25])
        }
        let names = try listDirectory(folder)
        #expect(names.count == 1 && names[0].hasPrefix("events.out.tfevents."))
        let bytes = try readFile(joinPath(folder, names[0]))
        func number(_ start: Int, _ count: Int) -> UInt64 {
            (0..<count).reduce(0) { $0 | UInt64(bytes[start + $1]) << (8 * UInt64($1)) }
        }
        var records: [[UInt8]] = []
        var at = 0
        while at + 12 <= bytes.count {
            let length = Int(number(at, 8))
            #expect(number(at + 8, 4) == UInt64(CRC32C.masked(bytes[at..<at + 8])))
            let data = Array(bytes[at + 12..<at + 12 + length])
            #expect(number(at + 12 + length, 4) == UInt64(CRC32C.masked(data)))
            records.append(data)
            at += 16 + length
        }
        #expect(at == bytes.count && records.count == 3)
        // After the wall time (9 bytes): the version; step 8 with a session that starts; step 8 with two values.
        #expect(Array(records[0].dropFirst(9)) == [0x1A, 13] + Array("brain.Event:2".utf8))
        #expect(Array(records[1].dropFirst(9)) == [0x10, 8, 0x3A, 2, 0x08, 1])
        let loss: [UInt8] = [0x0A, 10] + Array("loss/train".utf8) + [0x15, 0, 0, 0xC0, 0x3F]
        let rate: [UInt8] = [0x0A, 13] + Array("learning rate".utf8) + [0x15, 0, 0, 0x80, 0x3E]
        let summary = [0x0A, UInt8(loss.count)] + loss + [0x0A, UInt8(rate.count)] + rate
        #expect(Array(records[2].dropFirst(9)) == [0x10, 8, 0x2A, UInt8(summary.count)] + summary)
    }
}
