import HeedSupport
import HeedTrain
import HeedWeights
import Testing

@Suite("Training data")
struct DataTests {
    private func bytes(_ ids: [UInt16]) -> [UInt8] { ids.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] } }

    private func row(_ windows: TokenWindows, _ number: Int) -> (inputs: [Int32], targets: [Int32]) {
        var inputs = [Int32](repeating: -1, count: windows.context)
        var targets = inputs
        inputs.withUnsafeMutableBufferPointer { left in
            targets.withUnsafeMutableBufferPointer { right in
                if let a = left.baseAddress, let b = right.baseAddress {
                    windows.copy(row: number, inputs: a, targets: b)
                }
            }
        }
        return (inputs, targets)
    }

    @Test("a permutation is one, and another in every epoch", arguments: [1, 2, 3, 7, 64, 1000])
    func permutation(_ count: Int) {
        let one = Permutation(count: count, seed: 5, epoch: 0)
        let places = (0..<count).map { one[$0] }
        #expect(Set(places) == Set(0..<count))
        if count >= 7 {
            #expect(places != Array(0..<count))
            let other = Permutation(count: count, seed: 5, epoch: 1)
            #expect(places != (0..<count).map { other[$0] })
            #expect(places != (0..<count).map { Permutation(count: count, seed: 6, epoch: 0)[$0] })
        }
    }

    @Test("every place of a permutation is reached about equally often")
    func permutationIsFair() {
        var counts = [Int](repeating: 0, count: 25)
        for seed in 0..<2000 as Range<UInt64> {
            let permutation = Permutation(count: 5, seed: seed, epoch: 0)
            for place in 0..<5 { counts[place * 5 + permutation[place]] += 1 }
        }
        // Chi-square with 16 degrees of freedom is above 39.3 with a probability of 0.1 %.
        let statistic = counts.reduce(0.0) { $0 + (Double($1) - 400) * (Double($1) - 400) / 400 }
        #expect(statistic < 39.3)
    }

    @Test("sequential rows lie end to end and begin again at the end")
    func sequential() throws {
        let file = try TokenSequence((0..<41).map(Int32.init), place: "memory", vocabulary: 41)
        let windows = try TokenWindows([file], context: 8, order: .sequential)
        #expect(windows.windowsPerEpoch == 5)
        for number in 0..<12 {
            let start = Int32(number % 5 * 8)
            #expect(row(windows, number).inputs == Array(start..<(start + 8)))
            #expect(row(windows, number).targets == Array((start + 1)..<(start + 9)))
        }
        #expect(TokenWindows.number(step: 1, part: 0, row: 3, batch: 4, accumulate: 1) == 3)
        #expect(TokenWindows.number(step: 3, part: 1, row: 1, batch: 2, accumulate: 2) == 11)
        #expect(TokenWindows.number(step: 3, part: 0, row: 3, batch: 4, accumulate: 1) == 11)
    }

    @Test("shuffled rows cover an epoch once, never beyond the tokens, and differ by epoch")
    func shuffled() throws {
        let files = try [50, 33].map { count in
            try TokenSequence((0..<count).map { Int32($0 + count * 100) }, place: "memory", vocabulary: nil)
        }
        let windows = try TokenWindows(files, context: 4, order: .shuffled(seed: 3))
        let epochs = (0..<3).map { epoch in
            (0..<windows.windowsPerEpoch).map { row(windows, epoch * windows.windowsPerEpoch + $0) }
        }
        for epoch in epochs {
            let firsts = epoch.map { $0.inputs[0] }
            #expect(Set(firsts).count == epoch.count)
            for (inputs, targets) in epoch {
                #expect(targets == inputs.map { $0 + 1 })
                #expect(Set(inputs.map { $0 / 1000 }).count == 1 && targets.last.map { $0 < 5050 } == true)
            }
        }
        #expect(epochs[0].map(\.inputs) != epochs[1].map(\.inputs))
        let again = try TokenWindows(files, context: 4, order: .shuffled(seed: 3))
        #expect(row(again, 17).inputs == row(windows, 17).inputs)
    }

    @Test("explicit offsets")
    func explicit() throws {
        let file = try TokenSequence((0..<20).map(Int32.init), place: "memory", vocabulary: nil)
        let windows = try TokenWindows([file], context: 4, order: .explicit(offsets: [7, 0, 15]))
        #expect(row(windows, 0).inputs == [7, 8, 9, 10])
        #expect(row(windows, 2).targets == [16, 17, 18, 19])
        #expect(row(windows, 4).inputs == [0, 1, 2, 3])
        #expect(throws: HeedError.self) { try TokenWindows([file], context: 4, order: .explicit(offsets: [16])) }
    }

    @Test("token files: 16-bit ids, llm.c shards, and what is wrong with a broken one")
    func tokenFiles() throws {
        try withTemporaryFolder { folder in
            let path = joinPath(folder, "tokens.bin")
            try writeAtomically(path: path, bytes: bytes([1, 2, 60_000]))
            let file = try TokenSequence(binaryPath: path, vocabulary: 60_001)
            #expect((0..<3).map { file[$0] } == [1, 2, 60_000])
            var message = #expect(throws: HeedError.self) { try TokenSequence(binaryPath: path, vocabulary: 400) }
            #expect(message?.description.contains("tokens.bin, token 2") == true)
            #expect(message?.description.contains("60000") == true)
            try writeAtomically(path: path, bytes: [1, 2, 3])
            message = #expect(throws: HeedError.self) { try TokenSequence(binaryPath: path, vocabulary: nil) }
            #expect(message?.description.contains("tokens.bin") == true)
            try writeAtomically(path: path, bytes: [])
            #expect(throws: HeedError.self) { try TokenSequence(binaryPath: path, vocabulary: nil) }
            try writeAtomically(path: path, bytes: bytes([0, 1, 2, 3, 4]))
            let short = try TokenSequence(binaryPath: path, vocabulary: nil)
            message = #expect(throws: HeedError.self) { try TokenWindows([short], context: 8, order: .sequential) }
            #expect(message?.description.contains("fewer tokens than one window") == true)
            var header = [Int32](repeating: 0, count: 256)
            (header[0], header[1], header[2]) = (20_240_520, 1, 2)
            try writeAtomically(path: path, bytes: header.withUnsafeBytes { Array($0) } + bytes([7, 9]))
            let shard = try TokenSequence(binaryPath: path, vocabulary: nil)
            #expect(shard.count == 2 && shard[1] == 9)
        }
    }

    @Test("texts, JSONL and a validation share")
    func texts() throws {
        try withTemporaryFolder { folder in
            let tokenise: (String) -> [Int32] = { $0.utf8.map { Int32($0) } }
            let text = joinPath(folder, "a.txt")
            try writeAtomically(path: text, text: "hello\nworld")
            let one = try TextFiles.open(text, vocabulary: 256, tokenise: tokenise)
            #expect(one.count == 11)
            let lines = joinPath(folder, "b.jsonl")
            try writeAtomically(path: lines, text: "{\"text\": \"ab\"}\n\n\"c\"\n")
            let two = try TextFiles.open(lines, vocabulary: 256, separator: 0, tokenise: tokenise)
            #expect((0..<two.count).map { two[$0] } == [97, 98, 0, 99, 0])
            try writeAtomically(path: lines, text: "{\"text\": \"ab\"}\n{\"body\": 3}\n")
            let error = #expect(throws: HeedError.self) {
                try TextFiles.open(lines, vocabulary: 256, tokenise: tokenise)
            }
            #expect(error?.description.contains("b.jsonl, line 2") == true)
            #expect(throws: HeedError.self) { try TextFiles.open(text, vocabulary: 256, tokenise: nil) }
            let (training, validation) = try TokenWindows.split([one], validation: 0.4, context: 3)
            #expect(training[0].count == 7 && validation[0].count == 4 && validation[0][0] == 111)
            #expect(throws: HeedError.self) { try TokenWindows.split([one], validation: 0.1, context: 3) }
            #expect(throws: HeedError.self) { try TokenWindows.split([one], validation: 1.5, context: 3) }
        }
    }

    @Test("rows from safetensors, with masks left out")
    func rows() throws {
        try withTemporaryFolder { folder in
            let path = joinPath(folder, "rows.safetensors")
            try writeSafetensors(
                path: path,
                [
                    TensorToWrite("input_ids", shape: [2, 3], integers: [1, 2, 3, 4, 5, 0]),
                    TensorToWrite("labels", shape: [2, 3], integers: [1, -100, 3, 4, 5, -100]),
                    TensorToWrite("attention_mask", shape: [2, 3], integers: [1, 1, 1, 1, 1, 0]),
                ])
            let data = try RowData(path: path, vocabulary: 6)
            #expect(data.row(0).inputIds == [1, 2, 3] && data.row(0).labels == [1, -100, 3])
            #expect(data.row(3).inputIds == [4, 5] && data.row(3).labels == [4, 5])
            let error = #expect(throws: HeedError.self) { try RowData(path: path, vocabulary: 5) }
            #expect(error?.description.contains("input_ids") == true)
        }
    }

    @Test("parallel text: every pair once an epoch, batches within the limit, of like lengths, repeatable")
    func parallelText() throws {
        let pairs = (0..<500).map { index in
            SentencePair(
                source: Array(repeating: Int32(index), count: 1 + index * 7 % 30),
                target: Array(repeating: Int32(index), count: 1 + index * 7 % 30 + index % 3))
        }
        let text = try ParallelText(pairs, tokensPerBatch: 200, seed: 1)
        for epoch in 0..<2 {
            let batches = text.batches(ofEpoch: epoch)
            #expect(batches.flatMap { $0 }.sorted() == Array(0..<500))
            for batch in batches {
                #expect(batch.reduce(0) { $0 + pairs[$1].source.count } <= 200)
                #expect(batch.reduce(0) { $0 + pairs[$1].target.count } <= 200)
            }
            let spread = batches.map { batch in
                let lengths = batch.map { pairs[$0].target.count }
                return (lengths.max() ?? 0) - (lengths.min() ?? 0)
            }
            #expect(spread.reduce(0, +) < 8 * spread.count)
        }
        let count = text.batches(ofEpoch: 0).count
        #expect(text.batches(ofEpoch: 0) != text.batches(ofEpoch: 1))
        let fresh = try ParallelText(pairs, tokensPerBatch: 200, seed: 1)
        #expect(fresh.batch(count + 2) == text.batch(count + 2), "whoever asks first")
        #expect(text.batch(3) == fresh.batch(3))
        #expect(throws: HeedError.self) { try ParallelText(pairs, tokensPerBatch: 20, seed: 1) }
    }
}
