extension CatSleeps {
    /// The numbers of the document.
    public static let document = CatSleeps(
        X: NumberTable([[0.1, 0.3, 0.5, 0.2, 0.0], [0.6, 0.7, 0.2, 0.1, 0.3], [0.4, 0.2, 0.6, 0.5, 0.1]]),
        query: NumberTable([[0.2, 0.1, 0.0], [0.0, 0.3, 0.2], [0.1, 0.0, 0.4], [0.3, 0.2, 0.1], [0.0, 0.2, 0.3]]),
        key: NumberTable([[0.1, 0.0, 0.3], [0.2, 0.1, 0.0], [0.3, 0.2, 0.1], [0.1, 0.0, 0.2], [0.0, 0.3, 0.1]]),
        value: NumberTable([[0.2, 0.0, 0.1], [0.0, 0.3, 0.2], [0.1, 0.2, 0.3], [0.3, 0.1, 0.0], [0.2, 0.0, 0.2]]),
        feedForward1: NumberTable([[0.1, 0.2, 0.1], [0.2, 0.1, 0.3], [0.3, 0.2, 0.1]]),
        feedForward2: NumberTable([[0.4], [0.3], [0.2]]),
        labels: [1, 0, 0])

    /// A figure that the document prints, and what it should be.
    public struct PrintedFigure: Sendable {
        /// The name: `Q`, `weights`, `loss`, `grad.W_FFN1`.
        public let name: String
        /// What the document prints.
        public let printed: NumberTable
        /// How many digits it prints after the point.
        public let digits: Int
        /// What its own numbers give; of several readings (a mean or a sum over tokens) the nearest to what is printed.
        public let computed: NumberTable
        /// The largest difference between the two.
        public var difference: Double { printed.difference(from: computed) }
        /// Whether the difference is more than rounding to the printed digits makes.
        public var isWrong: Bool {
            var unit = 1.0
            for _ in 0..<digits { unit /= 10 }
            // A little room: a figure may have been cut off instead of rounded.
            return difference > unit
        }
    }
}

extension CatSleepsRun {
    /// Every figure that the document prints, held against the numbers that it starts from; this run must be of those.
    public var printedFigures: [CatSleeps.PrintedFigure] {
        func figure(
            _ name: String, _ printed: [[Double]], digits: Int, _ readings: NumberTable...
        ) -> CatSleeps.PrintedFigure {
            let printed = NumberTable(printed)
            let nearest = readings.min { printed.difference(from: $0) < printed.difference(from: $1) }
            return CatSleeps.PrintedFigure(
                name: name, printed: printed, digits: digits, computed: nearest ?? value(name))
        }
        func ofSum(_ name: String) -> NumberTable {
            var gradient = gradient(name)
            for index in gradient.values.indices { gradient.values[index] *= sumLoss / meanLoss }
            return gradient
        }
        return [
            figure("Q", [[0.23, 0.18, 0.28], [0.39, 0.38, 0.38], [0.38, 0.27, 0.45]], digits: 2),
            figure("K", [[0.26, 0.17, 0.25], [0.48, 0.35, 0.42], [0.44, 0.32, 0.39]], digits: 2),
            figure("V", [[0.17, 0.22, 0.29], [0.35, 0.37, 0.36], [0.31, 0.33, 0.29]], digits: 2),
            figure("scores", [[0.067, 0.061, 0.061], [0.097, 0.089, 0.088], [0.099, 0.090, 0.088]], digits: 3),
            figure("weights", [[0.340, 0.330, 0.330], [0.337, 0.332, 0.331], [0.338, 0.332, 0.330]], digits: 3),
            figure("attn", [[0.224, 0.234, 0.274], [0.225, 0.234, 0.274], [0.225, 0.234, 0.274]], digits: 3),
            figure("hidden", [[0.30, 0.21, 0.32], [0.30, 0.21, 0.32], [0.30, 0.21, 0.32]], digits: 2),
            figure("logits", [[0.76], [0.76], [0.76]], digits: 2),
            figure("preds", [[0.681], [0.681], [0.681]], digits: 3),
            figure("loss", [[0.7153]], digits: 4, NumberTable([[meanLoss]]), NumberTable([[sumLoss]])),
            figure(
                "grad.W_FFN2", [[0.0208], [0.0145], [0.0099]], digits: 4, gradient("W_FFN2"), ofSum("W_FFN2")),
            figure(
                "grad.W_FFN1",
                [[0.0039, 0.0027, 0.0018], [0.0041, 0.0028, 0.0019], [0.0048, 0.0033, 0.0022]], digits: 4,
                gradient("W_FFN1"), ofSum("W_FFN1")),
        ]
    }
}
