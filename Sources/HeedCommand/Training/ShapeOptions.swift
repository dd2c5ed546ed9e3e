import ArgumentParser
import Heed
import HeedSupport

/// The shape of a new model, where it is not that of its preset; nanoGPT's and Hugging Face's names are the same options.
struct ShapeOptions: ParsableArguments {
    @Option(
        name: [.long, .customLong("n-layer")],
        help: ArgumentHelp("Layers; on both sides of an encoder-decoder. (default: the preset's)", valueName: "n"))
    var layers: Int?

    @Option(
        name: [.long, .customLong("n-head")],
        help: ArgumentHelp("Heads of attention; they divide the width. (default: the preset's)", valueName: "n"))
    var heads: Int?

    @Option(
        name: [.long, .customLong("n-embd"), .customLong("hidden-size")],
        help: ArgumentHelp("Numbers per token. (default: the preset's)", valueName: "n"))
    var width: Int?

    @Option(
        name: [.long, .customLong("intermediate-size")],
        help: ArgumentHelp(
            "The inner width of the feed-forward layers. (default: in the preset's ratio to the width)", valueName: "n")
    )
    var inner: Int?

    @Option(
        help: ArgumentHelp(
            "Heads of keys and values, for a LLaMA shape; they divide the heads. (default: in the preset's ratio)",
            valueName: "n"))
    var keyHeads: Int?

    /// The options that are given.
    var given: [String] {
        [
            ("--layers", layers), ("--heads", heads), ("--width", width), ("--inner", inner), ("--key-heads", keyHeads),
        ].filter { $0.1 != nil }.map(\.0)
    }

    func validate() throws {
        for (option, value, most) in [
            ("--layers", layers, 1000), ("--heads", heads, 1024), ("--width", width, 1 << 16),
            ("--inner", inner, 1 << 18),
            ("--key-heads", keyHeads, 1024),
        ] {
            if let value { try check(option, value, in: 1...most) }
        }
    }

    /// A preset's shape with these numbers instead of its own.
    ///
    /// - Parameter context: the longest sequence, where it is asked for.
    /// - Throws: `HeedError` (`usage`) naming options that do not go together.
    func applied(to shape: Configuration, context: Int?) throws -> Configuration {
        switch shape {
        case .decoder(var shape):
            shape.stack = try applied(to: shape.stack)
            shape.context = context ?? shape.context
            return .decoder(shape)
        case .encoder(var shape):
            shape.stack = try applied(to: shape.stack)
            shape.context = context ?? shape.context
            return .encoder(shape)
        case .encoderDecoder(var shape):
            shape.encoder = try applied(to: shape.encoder)
            shape.decoder = try applied(to: shape.decoder)
            shape.context = context ?? shape.context
            return .encoderDecoder(shape)
        }
    }

    private func applied(to stack: StackShape) throws -> StackShape {
        var stack = stack
        let (width, heads) = (width ?? stack.width, heads ?? stack.heads)
        guard width % heads == 0 else {
            throw HeedError(
                .usage, "the heads do not divide the width", in: "--heads and --width",
                expected: "a width of a multiple of \(heads)", got: "\(width)")
        }
        let keyHeads = keyHeads ?? max(1, heads * stack.keyHeads / stack.heads)
        guard heads % keyHeads == 0, keyHeads == heads || stack.gated else {
            throw HeedError(
                .usage, "the heads of keys do not fit", in: "--key-heads",
                expected: stack.gated ? "a number that divides the \(heads) heads" : "a LLaMA shape, or none",
                got: "\(keyHeads)")
        }
        if case .all(.rotary) = stack.positions, width / heads % 2 != 0 {
            throw HeedError(
                .usage, "rotary positions turn pairs, so a head has an even width", in: "--heads",
                got: "\(width) / \(heads) = \(width / heads)")
        }
        // The inner width keeps the preset's ratio, rounded up to a multiple of 8.
        let scaled = width == stack.width ? stack.inner : (stack.inner * width / stack.width + 7) / 8 * 8
        stack.inner = inner ?? scaled
        stack.layers = layers ?? stack.layers
        (stack.width, stack.heads, stack.keyHeads, stack.headWidth) = (width, heads, keyHeads, width / heads)
        return stack
    }
}
