import HeedSupport
import HeedTrain
import Testing

@Suite("Logs")
struct LogTests {
    private func record(_ step: Int) -> TrainingRecord {
        TrainingRecord(
            step: step, loss: 5 - Double(step) * 0.1, learningRate: 1e-3, gradientNorm: 1.5, tokens: 64 * step,
            tokensPerSecond: 1000.04, validationLoss: step % 5 == 0 ? 4.5 : nil)
    }

    @Test("one whole object per step, cut back on resume, each step once")
    func jsonLines() throws {
        try withTemporaryFolder { folder in
            let path = joinPath(folder, "log.jsonl")
            var log = try TrainingLog(path: path, after: 0)
            for step in 1...7 { try log.append(record(step)) }
            // What a killed writer of another kind might leave: a line cut short.
            try writeAtomically(path: path, bytes: try readFile(path) + Array("{\"step\": 8, \"lo".utf8))
            #expect(try TrainingLog.read(path: path).count == 7)
            log = try TrainingLog(path: path, after: 5)
            #expect(try TrainingLog.read(path: path).compactMap { $0["step"]?.intValue } == [1, 2, 3, 4, 5])
            for step in 6...8 { try log.append(record(step)) }
            let rows = try TrainingLog.read(path: path)
            #expect(rows.compactMap { $0["step"]?.intValue } == Array(1...8))
            #expect(
                rows[4].keys == ["step", "loss", "lr", "grad_norm", "tokens", "tokens_per_second", "validation_loss"])
            #expect(rows[5]["validation_loss"] == nil && rows[5]["loss"]?.doubleValue == 5 - 6 * 0.1)
            log = try TrainingLog(path: path, after: 0)
            #expect(try TrainingLog.read(path: path).isEmpty, "a new run begins a new log")
            #expect(try listDirectory(folder) == ["log.jsonl"])
        }
        #expect(throws: HeedError.self) { try TrainingLog(path: "/nowhere/at/all/log.jsonl", after: 0) }
    }

    @Test("event files hold checked records")
    func tensorBoard() throws {
        #expect(CRC32C.checksum(Array("123456789".utf8)) == 0xE306_9283)
        try withTemporaryFolder { folder in
            let writer = try TensorBoardWriter(folder: joinPath(folder, "runs"), resuming: 4)
            try writer.add(record(5))
            let bytes = try readFile(writer.path)
            var at = 0
            var sizes: [Int] = []
            func word(_ position: Int) -> UInt32 {
                (0..<4).reduce(0) { $0 | UInt32(bytes[position + $1]) << UInt32(8 * $1) }
            }
            while at < bytes.count {
                let size = Int(word(at))
                #expect(word(at + 8) == CRC32C.masked(Array(bytes[at..<(at + 8)])))
                let data = Array(bytes[(at + 12)..<(at + 12 + size)])
                #expect(word(at + 12 + size) == CRC32C.masked(data))
                sizes.append(size)
                at += 16 + size
            }
            #expect(sizes.count == 3)
            #expect(String(decoding: bytes, as: UTF8.self).contains("brain.Event:2"))
            #expect(String(decoding: bytes, as: UTF8.self).contains("validation/loss"))
        }
    }

    @Test("the progress line")
    func progress() {
        var line = ProgressLine(steps: 10)
        #expect(line.line(record(1), seconds: 2) == "step 1/10 · loss 4.9000 · 1,000 tokens/s · 18 s left")
        #expect(line.line(record(10), seconds: 2) == "step 10/10 · loss 4.0000 · validation 4.5000 · 1,000 tokens/s")
        #expect(ProgressLine.duration(192) == "3 min 12 s")
        #expect(ProgressLine.duration(7500) == "2 h 05 min")
        #expect(ProgressLine.fixed(-0.05, 1) == "-0.1" && ProgressLine.fixed(2.0, 2) == "2.00")
    }

    @Test("early stopping counts evaluations without gain")
    func earlyStop() {
        var rule = EarlyStop(patience: 2)
        #expect(rule.add(3) && rule.add(2.5) && !rule.add(2.5) && !rule.shouldStop)
        #expect(!rule.add(.nan) && rule.shouldStop)
        var resumed = EarlyStop(patience: 2, best: rule.best, evaluationsWithoutGain: 1)
        #expect(!resumed.shouldStop && resumed.add(1) && resumed.evaluationsWithoutGain == 0)
    }
}
