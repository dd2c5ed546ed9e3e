import Heed
import HeedSupport

/// What training chooses where the user says nothing.
enum TrainingDefaults {
    /// The largest learning rate for a model of so many parameters.
    ///
    /// New decoders: 0.3 / ∛N and at most 3e-3, which is near what GPT-2 (6e-4 at 124 million) and GPT-3 (2e-4 at 1.3
    /// billion) used; of rates tried for `tiny` 3e-3 was the best. Other new models, whose norms stand behind
    /// attention and feed-forward: 5e-4, or less in proportion beyond a width of 256. Models that are trained already:
    /// 5e-5; adapters on them: 2e-4.
    static func rate(of model: Model, isNew: Bool) -> Double {
        guard isNew else { return model.adapter == nil ? 5e-5 : 2e-4 }
        guard case .decoder = model.architecture else {
            return rounded(min(5e-4, 0.128 / Double(width(of: model))))
        }
        let count = Double(max(model.weights.layout.trainedCount, 1))
        return rounded(min(0.3 / ExactMathematics.exp(ExactMathematics.log(count) / 3), 3e-3))
    }

    private static func width(of model: Model) -> Int {
        switch model.architecture.configuration {
        case .decoder(let shape): shape.stack.width
        case .encoder(let shape): shape.stack.width
        case .encoderDecoder(let shape): shape.width
        }
    }

    /// Two significant digits, so that the rate can be read and typed.
    static func rounded(_ rate: Double) -> Double {
        guard rate > 0, rate.isFinite else { return rate }
        var scale = 1.0
        while rate * scale < 10 { scale *= 10 }
        return (rate * scale).rounded() / scale
    }

    /// Tokens of a vocabulary for so many bytes of text: about one for each KiB, a power of two from 512 to 32,768.
    static func vocabulary(bytes: Int) -> Int {
        var size = 512
        while size < 32_768, size * 2 * 1024 <= bytes { size *= 2 }
        return size
    }

    /// The folder for a model of this data: `novel-model` beside where the command runs.
    static func output(for data: String) -> String {
        var name = data == "-" ? "heed" : lastPathComponent(data)
        for _ in 0..<2 {
            guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { break }
            name = String(name[..<dot])
        }
        return name + "-model"
    }
}
