import HeedSupport
import HeedTensor
import Testing

@Suite("Shapes are checked where they are recorded")
struct ShapeTests {
    /// The error that planning throws for what `record` records on a value of 8 columns.
    private func mistake(_ record: (Tensor, TokenBatch, ParameterScope) -> Void) -> HeedError? {
        let batch = TokenBatch(rowCapacity: 4, sequenceCapacity: 1)
        let trace = Trace(for: .training, maximumLength: 4)
        let layout = ParameterLayout.declare { scope in
            let x = trace.embed(batch, table: scope.parameter("table", [5, 8], .zeros))
            trace.at("blocks.3.attention.output") { record(x, batch, scope) }
        }.layout
        do {
            _ = try Schedule(trace, layout)
            return nil
        } catch {
            return error as? HeedError
        }
    }

    @Test("a matrix of another width names the layer, the operation, expected and got")
    func linear() throws {
        let error = try #require(mistake { x, _, scope in _ = x.linear(scope.parameter("w", [3, 9], .zeros)) })
        #expect(error.place == "blocks.3.attention.output")
        #expect(error.description.contains("linear") && error.description.contains("input 0"))
        #expect(error.expected == "9 columns" && error.got == "8")
    }

    @Test("the first mistake is told, and nothing after it")
    func first() throws {
        let error = try #require(
            mistake { x, _, scope in
                let y = x.linear(scope.parameter("w", [3, 9], .zeros))
                _ = y.linear(scope.parameter("v", [3, 100], .zeros))
            })
        #expect(error.expected == "9 columns")
    }

    @Test("every rule", arguments: 0..<11)
    func rules(number: Int) throws {
        let shape = AttentionShape(heads: 2, width: 4, causal: true)
        let mistakes: [(Tensor, TokenBatch, ParameterScope) -> Void] = [
            { x, _, scope in _ = x.linear(scope.parameter("w", [8], .zeros)) },
            { x, _, scope in _ = x.linear(scope.parameter("w", [3, 8], .zeros), scope.parameter("b", [4], .zeros)) },
            { x, _, scope in _ = x.linear(scope.parameter("w", [3, 8], .zeros), adding: x) },
            { x, _, scope in _ = x + x.linear(scope.parameter("w", [3, 8], .zeros)) },
            { x, _, scope in
                _ = x.normalised(.layer, gain: scope.parameter("g", [9], .zeros), offset: nil, epsilon: 1)
            },
            { x, batch, _ in _ = x.attending(shape, batch: batch, layer: 0) },
            { x, batch, _ in
                _ = x.rotated(batch, RotaryPositions(frequencies: [1, 1, 1]), heads: 2, width: 4)
            },
            { x, _, scope in
                _ = x.crossEntropy(
                    scope.parameter("w", [5, 7], .zeros),
                    targets: .rows(TokenBatch(rowCapacity: 4, sequenceCapacity: 1)))
            },
            { x, _, scope in
                _ = x.outputs(of: TokenBatch(rowCapacity: 4, sequenceCapacity: 1))
            },
            { x, _, scope in _ = x.linear(scope.parameter("w", [3, 8], .zeros)).gated(.silu) },
            { x, _, scope in
                _ = x.linear(scope.parameter("w", [8, 8], .zeros), activation: .silu, adding: x)
            },
        ]
        let error = try #require(mistake(mistakes[number]))
        #expect(error.kind == .badInput && error.place == "blocks.3.attention.output")
        #expect(error.expected != nil && error.got != nil)
    }

    @Test("what fits is planned")
    func fits() {
        #expect(mistake { x, _, scope in _ = x.linear(scope.parameter("w", [3, 8], .zeros)) } == nil)
    }
}
