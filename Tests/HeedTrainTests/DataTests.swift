import HeedModels
import HeedRun
import HeedSupport
import HeedTensor
import HeedWeights
import Testing

@testable import HeedTrain

@Suite("Training data")
struct DataTests {
    private func stream(_ count: Int, _ name: String = "ids") -> TokenStream {
        TokenStream((0..<Int32(count)).map { $0 }, name: name)
    }

    private func rows(_ batch: TokenBatch, _ context: Int) -> [[Int32]] {
        (0..<batch.sequences.current).map { row in
            (0..<context).map { batch.ids[row * context + $0] } + [batch.targets[row * context + context - 1]]
        }
    }

    @Test("sequential windows lie end to end, and begin again after the last whole one")
    func sequential() throws {
        let source = try WindowSource([stream(35)], context: 8, batch: 3, accumulate: 1, order: .sequential, seed: 0)
        #expect(source.windows == 4)
        var starts: [Int32] = []
        for step in 1...3 {
            let batch = try source.batch(rows: 3, columns: 8, step: step)
            for row in rows(batch, 8) {
                #expect(row == (row[0]...row[0] + 8).map { $0 })
                starts.append(row[0])
            }
            for i in 0..<24 { #expect(batch.targets[i] == batch.ids[i] + 1 && batch.positions[i] == i % 8) }
        }
        #expect(starts == [0, 8, 16, 24, 0, 8, 16, 24, 0])
    }

    @Test("shards of llm.c, 16 and 32 bits wide; a header of another length is refused", arguments: [false, true])
    func shards(isWide: Bool) throws {
        let path = temporaryPath("shard.bin")
        defer { try? removeFile(path) }
        let ids: [Int32] = isWide ? [5, 70_000, 9] : [5, 60_000, 9]
        var bytes = [UInt8](repeating: 0, count: 1024)
        func put(_ value: Int32, _ width: Int, at place: Int? = nil) {
            let parts = (0..<width).map { UInt8(truncatingIfNeeded: value >> (8 * Int32($0))) }
            if let place { bytes.replaceSubrange(place..<place + width, with: parts) } else { bytes += parts }
        }
        let words: [Int32] = isWide ? [20_240_801, 7, 3] : [20_240_520, 1, 3]
        for index in 0..<3 { put(words[index], 4, at: 4 * index) }
        for id in ids { put(id, isWide ? 4 : 2) }
        try writeAtomically(path: path, bytes: bytes)
        let stream = try TokenStream(binary: path)
        #expect(stream.ids == ids && stream[1..<3].ids == Array(ids[1...]))
        put(4, 4, at: 8)
        try writeAtomically(path: path, bytes: bytes)
        #expect(throws: HeedError.self) { try TokenStream(binary: path) }
    }

    @Test("shuffled windows: all once an epoch, another order and another cut in the next", arguments: [1, 2, 3, 40])
    func shuffled(windows: Int) throws {
        let context = 5
        // Two streams; a window never reaches from one into the other.
        let first = stream(windows * context + 3)
        let second = TokenStream((1000..<1000 + Int32(2 * context + 1)).map { $0 }, name: "other")
        let source = try WindowSource(
            [first, second], context: context, batch: 1, accumulate: 1, order: .shuffled, seed: 11)
        #expect(source.windows == max(windows - 1, 1) + 1)
        var orders: [[Int32]] = []
        for epoch in 0..<4 {
            var seen: [Int32] = []
            for index in 0..<source.windows {
                let batch = try source.batch(rows: 1, columns: context, step: epoch * source.windows + index + 1)
                let row = rows(batch, context)[0]
                #expect(row == (row[0]...row[0] + Int32(context)).map { $0 })
                seen.append(row[0])
            }
            #expect(Set(seen).count == source.windows)
            let own = seen.filter { $0 < 1000 }.sorted()
            #expect(zip(own, own.dropFirst()).allSatisfy { $1 - $0 == context })
            orders.append(seen)
        }
        if windows == 40 { #expect(Set(orders).count == 4) }
        let again = try WindowSource(
            [first, second], context: context, batch: 1, accumulate: 1, order: .shuffled, seed: 11)
        #expect((0..<20).allSatisfy { again.place($0) == source.place($0) })
    }

    @Test("a step of micro-batches reads the windows of one large batch")
    func microBatches() throws {
        for order in WindowOrder.allCases {
            let whole = try WindowSource([stream(400)], context: 7, batch: 6, accumulate: 1, order: order, seed: 3)
            let parts = try WindowSource([stream(400)], context: 7, batch: 2, accumulate: 3, order: order, seed: 3)
            for step in 1...30 {
                let large = try whole.batch(rows: 6, columns: 7, step: step)
                var joined: [[Int32]] = []
                for part in 0..<3 {
                    joined += rows(try parts.batch(rows: 2, columns: 7, step: step, part: part), 7)
                }
                #expect(rows(large, 7) == joined)
            }
        }
    }

    @Test("token files are checked by name, id and place")
    func tokenFiles() throws {
        let path = temporaryPath("tokens.bin")
        defer { try? removeFile(path) }
        func expect(_ bytes: [UInt8], _ words: String...) throws {
            try writeAtomically(path: path, bytes: bytes)
            let error = #expect(throws: HeedError.self) { try TokenStream(binary: path).check(vocabulary: 300) }
            for word in words + [path] { #expect(error?.description.contains(word) == true, "\(word)") }
        }
        try expect([], "empty")
        try expect([1, 2, 3], "within a token")
        try expect([1, 0, 44, 1], "300", "place 1")
        try writeAtomically(path: path, bytes: [1, 0, 43, 1])
        let stream = try TokenStream(binary: path)
        #expect(stream.count == 2)
        let one = try stream.check(vocabulary: 300)
        #expect(try TokenStream([1, 299], name: "same").check(vocabulary: 300) == one)
        #expect(try TokenStream([299, 1], name: "other").check(vocabulary: 300) != one)
        // Ids beyond 16 bits are held in 32.
        var wide: [Int32] = [0, 0, 0]
        TokenStream([70_000, 1, 2], name: "wide").copy(from: 0, count: 3, to: &wide)
        #expect(wide == [70_000, 1, 2])
        let error = #expect(throws: HeedError.self) {
            try WindowSource([stream], context: 8, batch: 1, accumulate: 1, order: .shuffled, seed: 0)
        }
        #expect(error?.description.contains(path) == true)
    }

    @Test("text and JSON lines go through the tokenizer once")
    func text() throws {
        let bytes = TextEncoding(documentEnd: 0) { $0.map { Int32($0) } }
        let path = temporaryPath("text.txt")
        let lines = temporaryPath("text.jsonl")
        defer { for file in [path, lines] { try? removeFile(file) } }
        try writeAtomically(path: path, text: "aé\n")
        let read = try readText(path, encoding: bytes)
        #expect(read.tokens.ids == [97, 195, 169, 10] && read.bytes == 4)
        try writeAtomically(path: lines, text: "{\"text\":\"ab\"}\n\n\"c\"\n{\"text\":\"\\u00e9\",\"x\":1}")
        let documents = try readText(lines, encoding: bytes)
        #expect(documents.tokens.ids == [97, 98, 0, 99, 0, 195, 169, 0] && documents.bytes == 5)
        func expect(_ file: String, _ text: [UInt8], _ encoding: TextEncoding?, _ words: String...) throws {
            try writeAtomically(path: file, bytes: text)
            let error = #expect(throws: HeedError.self) { try readText(file, encoding: encoding) }
            for word in words + [file] { #expect(error?.description.contains(word) == true, "\(word)") }
        }
        try expect(path, [97], nil, "`tokenizer`")
        try expect(path, [97, 0xFF], bytes, "UTF-8", "byte 1")
        try expect(path, [], bytes, "empty")
        try expect(lines, Array("{\"text\":\"a\"}\n{\"txt\":\"b\"}\n".utf8), bytes, "line 2", "text")
        try expect(lines, Array("{\"text\":\n".utf8), bytes, "line 1")
    }

    @Test("rows predict the next label; masked columns are not computed")
    func rowFiles() throws {
        let path = temporaryPath("rows.safetensors")
        defer { try? removeFile(path) }
        var file = TensorFile()
        file.append("input_ids", shape: [2, 4], integers: [1, 2, 3, 4, 5, 6, 7, 8])
        try file.write(path: path)
        func model(vocabulary: Int) throws -> Architecture {
            try Model(
                .gpt2(width: 8, layers: 1, heads: 1, vocabulary: vocabulary, context: 8), family: .gpt2, seed: 1
            ).architecture
        }
        func fill(_ batchRows: Int = 2) throws -> (ids: [Int32], targets: [Int32], positions: [Int32]) {
            let rows = try TrainingRows(TensorFile(path: path), model(vocabulary: 10))
            let source = RowSource(rows, batch: batchRows, order: .sequential, seed: 0)
            let batch = try source.batch(rows: batchRows, columns: 4, step: 1)
            let range = 0..<batch.rows.current
            return (range.map { batch.ids[$0] }, range.map { batch.targets[$0] }, range.map { batch.positions[$0] })
        }
        var got = try fill()
        #expect(got.ids == [1, 2, 3, 4, 5, 6, 7, 8] && got.targets == [2, 3, 4, -100, 6, 7, 8, -100])
        got = try fill(3)
        #expect(got.ids == [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4])
        file.append("attention_mask", shape: [2, 4], integers: [0, 1, 1, 1, 1, 1, 0, 0])
        try file.write(path: path)
        got = try fill()
        #expect(
            got.ids == [2, 3, 4, 5, 6] && got.targets == [3, 4, -100, 6, -100] && got.positions == [1, 2, 3, 0, 1])
        file.append("labels", shape: [2, 4], integers: [9, 9, -100, 8, 7, 6, 5, 4])
        try file.write(path: path)
        got = try fill()
        #expect(got.targets == [-100, 8, -100, 6, 5])
        let error = #expect(throws: HeedError.self) {
            try TrainingRows(TensorFile(path: path), model(vocabulary: 9))
        }
        #expect(error?.description.contains("labels") == true && error?.description.contains("[0, 0]") == true)
    }

    @Test("validation takes the last part")
    func validation() throws {
        let path = temporaryPath("tokens.bin")
        defer { try? removeFile(path) }
        try writeAtomically(path: path, bytes: (0..<100).flatMap { [UInt8($0), 0] })
        var options = StepOptions()
        options.context = 4
        func open(_ choice: String?) throws -> OpenedData {
            try OpenedData(
                [path], validation: try choice.map { try ValidationChoice($0) }, encoding: nil, vocabulary: 100,
                options: options, order: .sequential)
        }
        let source = try open("0.25").training
        let held = try #require(try open("0.25").validation)
        #expect(source.streams.map(\.count) == [75] && held.map(\.count) == [25])
        #expect(try open(nil).fingerprint != open("0.25").fingerprint)
        for wrong in ["0", "1", "-0.5", "nan", "7"] {
            #expect(throws: HeedError.self) { try ValidationChoice(wrong) }
        }
        #expect(try ValidationChoice("some.txt") == .file("some.txt"))
    }
}
