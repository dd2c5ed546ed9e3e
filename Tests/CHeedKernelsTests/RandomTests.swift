import CHeedKernels
import Testing

@Suite struct RandomTests {
    /// The known answers that Random123 publishes for philox4x32-10.
    @Test("Philox4x32-10 gives the published answers")
    func knownAnswers() {
        let cases: [(seed: UInt64, purpose: UInt32, step: UInt32, start: UInt64, words: [UInt32])] = [
            (0, 0, 0, 0, [0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8]),
            (
                .max, .max, .max, .max, [0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD]
            ),
            (
                0x299F_31D0_A409_3822, 0x1319_8A2E, 0x0370_7344, 0x85A3_08D3_243F_6A88,
                [0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1]
            ),
        ]
        for one in cases {
            var words = [UInt32](repeating: 0, count: 4)
            words.withUnsafeMutableBufferPointer {
                heed_philox(one.seed, one.purpose, one.step, one.start, $0.baseAddress, 4)
            }
            #expect(words == one.words)
        }
    }

    private func kept(_ isa: heed_isa, rows: Int, columns: Int, rate: Float, random: heed_random) -> [Float] {
        withMemory { memory in
            var call = heed_dropout()
            call.window = memory.window(rows)
            call.x = UnsafePointer(memory.floats([Float](repeating: 1, count: rows * columns)))
            call.y = memory.nan(rows * columns)
            call.columns = Int32(columns)
            call.rate = rate
            call.purpose = 3
            call.random = UnsafePointer(memory.value(random))
            run(Machine(isa: isa).kernels.dropout, call, parts: 3)
            return call.y.array(rows * columns)
        } ?? []
    }

    @Test("dropout keeps 1 − rate of the elements, independently", arguments: [0.1, 0.5, 0.9] as [Float])
    func rate(_ rate: Float) {
        let (rows, columns) = (500, 200)
        let y = kept(
            HEED_PORTABLE, rows: rows, columns: columns, rate: rate, random: heed_random(seed: 1, step: 0, row_base: 0))
        let count = Double(rows * columns)
        let share = Double(y.filter { $0 != 0 }.count) / count
        let deviation = (Double(rate) * (1 - Double(rate)) / count).squareRoot()
        #expect(abs(share - (1 - Double(rate))) < 4 * deviation)
        #expect(y.allSatisfy { $0 == 0 || $0 == 1 / (1 - rate) })
        // Neighbours, in the row and between rows, are kept together as often as chance says.
        for shift in [1, 4, 16, columns] {
            let pairs = (0..<(y.count - shift)).filter { y[$0] != 0 && y[$0 + shift] != 0 }.count
            let expected = (1 - Double(rate)) * (1 - Double(rate))
            let spread = (expected * (1 - expected) / count).squareRoot()
            #expect(abs(Double(pairs) / Double(y.count - shift) - expected) < 6 * spread)
        }
    }

    @Test("dropout depends on seed, purpose, step and index, not on how rows are batched")
    func batches() {
        for isa in instructionSets {
            let columns = 37
            let whole = kept(
                isa, rows: 10, columns: columns, rate: 0.5, random: heed_random(seed: 7, step: 2, row_base: 0))
            let tail = kept(
                isa, rows: 6, columns: columns, rate: 0.5, random: heed_random(seed: 7, step: 2, row_base: 4))
            #expect(sameBits(Array(whole[(4 * columns)...]), tail))
            let otherStep = kept(
                isa, rows: 10, columns: columns, rate: 0.5, random: heed_random(seed: 7, step: 3, row_base: 0))
            let otherSeed = kept(
                isa, rows: 10, columns: columns, rate: 0.5, random: heed_random(seed: 8, step: 2, row_base: 0))
            #expect(!sameBits(whole, otherStep))
            #expect(!sameBits(whole, otherSeed))
        }
    }
}
