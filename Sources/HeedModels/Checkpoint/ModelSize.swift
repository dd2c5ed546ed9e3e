import HeedLayers
import HeedSupport
import HeedWeights

/// How large a model is, from its configuration alone and before anything is declared.
struct ModelSize {
    /// Numbers of all parameters, about.
    private(set) var numbers: Double
    /// Matrices of all layers, about.
    private(set) var matrices: Double

    init(_ configuration: Configuration) {
        switch configuration {
        case .decoder(let c): self.init([c.stack], vocabularies: c.vocabulary, context: c.context)
        case .encoder(let c): self.init([c.stack], vocabularies: c.vocabulary, context: c.context)
        case .encoderDecoder(let c):
            self.init([c.encoder, c.decoder], vocabularies: c.vocabulary + c.sourceVocabulary, context: c.context)
        }
    }

    private init(_ stacks: [StackShape], vocabularies: Int, context: Int) {
        (numbers, matrices) = (0, 0)
        for stack in stacks {
            let width = Double(stack.width)
            let attention = 2 * width * Double(stack.headWidth) * Double(stack.heads + stack.keyHeads)
            var (inner, count) = (Double(stack.inner), 1.0)
            for case .experts(let experts) in stack.feedForward.distinct {
                (inner, count) = (max(inner, Double(experts.count) * Double(experts.inner)), Double(experts.count))
            }
            numbers += Double(stack.layers) * (attention + 3 * width * inner)
            // A table of ids, one of positions and an output matrix, each at most.
            numbers += width * Double(2 * vocabularies + context)
            matrices += Double(stack.layers) * (4 + 3 * count)
        }
    }

    /// The largest published models have some 2⁴⁰ numbers in 2¹⁷ matrices.
    private static let (mostNumbers, mostMatrices) = (Double(1 << 46), Double(1 << 20))

    /// - Throws: `HeedError` naming the file where no machine could hold the model that it describes.
    func check(_ reader: ConfigurationReader) throws {
        guard numbers <= ModelSize.mostNumbers, matrices <= ModelSize.mostMatrices else {
            throw HeedError(
                .badInput, "the configuration is of a model that no machine holds", in: reader.file,
                expected: "at most \(grouped(Int(ModelSize.mostNumbers))) numbers in "
                    + "\(grouped(Int(ModelSize.mostMatrices))) matrices",
                got: "\(numbers) in \(matrices)", advice: "Look at its widths, layers and experts.")
        }
    }
}
