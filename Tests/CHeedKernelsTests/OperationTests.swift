import CHeedKernels
import Testing

/// Every operation of the table, every claim.
@Suite struct OperationTests {
    static let cases: [OperationCase] =
        normalisationCases + elementwiseCases + randomCases + embeddingCases + rotaryCases
        + lossCases + updateCases + attentionCases

    @Test("agrees with the oracle in double precision", arguments: cases)
    func value(_ operation: OperationCase) throws {
        let expected = operation.oracle(operation.inputs.map { $0.map(Double.init) })
        for isa in instructionSets {
            let outputs = try #require(operation.outputs(Machine(isa: isa)), "wrote beyond a buffer")
            #expect(outputs.count == expected.count)
            for (i, (output, reference)) in zip(outputs, expected).enumerated() {
                let bound = operation.tolerance * max(1, largestMagnitude(reference.filter(\.isFinite)))
                let difference = largestDifference(output, reference)
                #expect(difference <= bound, "\(difference / bound) output \(i), \(Machine(isa: isa))")
            }
        }
    }

    @Test("gradient agrees with central differences of the oracle", arguments: cases.filter { $0.gradient != nil })
    func gradient(_ operation: OperationCase) throws {
        let seeds = operation.seeds()
        let reference = operation.inputs.indices.map { operation.differences(seeds: seeds, input: $0) }
        for isa in instructionSets {
            let gradients = try #require(
                operation.gradients(Machine(isa: isa), seeds: seeds), "wrote beyond a buffer")
            #expect(gradients.count == operation.inputs.count)
            for (i, gradient) in gradients.enumerated() where !gradient.isEmpty {
                let (difference, size) = distance(gradient, reference[i])
                #expect(
                    difference <= operation.gradientTolerance * max(size, 1),
                    "\(difference / max(size, 1)) input \(i), \(Machine(isa: isa))")
            }
        }
    }

    @Test("the number of parts does not change a bit", arguments: cases)
    func parts(_ operation: OperationCase) throws {
        let seeds = operation.seeds()
        for isa in instructionSets {
            let outputs = try #require(operation.outputs(Machine(isa: isa)))
            let gradients = try #require(operation.gradients(Machine(isa: isa), seeds: seeds))
            for parts in [2, 3, 4, 7] {
                let machine = Machine(isa: isa, parts: parts)
                let again = try #require(operation.outputs(machine))
                #expect(sameBits(outputs, again), "\(machine)")
                let gradientsAgain = try #require(operation.gradients(machine, seeds: seeds))
                #expect(sameBits(gradients, gradientsAgain), "gradient, \(machine)")
            }
        }
    }

    @Test(
        "instruction sets with fused multiply-add give the same bits", .enabled(if: fusedInstructionSets.count > 1),
        arguments: cases)
    func instructionSetsAgree(_ operation: OperationCase) throws {
        let seeds = operation.seeds()
        let first = Machine(isa: fusedInstructionSets[0])
        let outputs = try #require(operation.outputs(first))
        let gradients = try #require(operation.gradients(first, seeds: seeds))
        for isa in fusedInstructionSets.dropFirst() {
            let again = try #require(operation.outputs(Machine(isa: isa)))
            #expect(sameBits(outputs, again), "\(Machine(isa: isa))")
            let gradientsAgain = try #require(operation.gradients(Machine(isa: isa), seeds: seeds))
            #expect(sameBits(gradients, gradientsAgain), "gradient, \(Machine(isa: isa))")
        }
    }
}
