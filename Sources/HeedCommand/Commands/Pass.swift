import ArgumentParser
import Heed
import HeedRun
import HeedSupport

/// `heed pass`: one forward (and backward) pass, every tensor written out.
struct Pass: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run one forward and backward pass and write out every tensor.",
        discussion: """
            heed pass model --input in.safetensors --output out.safetensors --all --gradients

            The input is a safetensors file with input_ids I64 [B, T] and, where they apply, attention_mask, \
            position_ids and labels (-100 is ignored; labels are shifted inside). The output holds logits, the loss \
            where there are labels, and what is asked for below, named as the Hugging Face outputs are.
            """)

    @Argument(help: ArgumentHelp("The model: a folder in the Hugging Face layout.", valueName: "model"))
    var model: String

    @Option(help: ArgumentHelp("The safetensors file to read.", valueName: "file"))
    var input: String

    @Option(help: ArgumentHelp("The safetensors file to write.", valueName: "file"))
    var output: String

    @Flag(help: "Also write grad.NAME for every parameter; needs labels.")
    var gradients = false

    @Flag(help: "Also write every hidden state and attention map.")
    var all = false

    @Option(help: ArgumentHelp("The share of the target that is spread over the vocabulary.", valueName: "x"))
    var labelSmoothing: Double = 0

    @Option(
        name: [.long, .customLong("weights")],
        help: ArgumentHelp("The number format of products.", valueName: "f32|bf16"))
    var dtype: ComputeType = .f32

    @OptionGroup var overwriting: OverwriteOption
    @OptionGroup var adapter: AdapterOption
    @OptionGroup var compute: ComputeOptions

    func validate() throws {
        try check("--label-smoothing", labelSmoothing, in: 0...1)
    }

    func run() throws {
        try overwriting.check(output, tensors: ["logits", "last_hidden_state", "prediction_logits", "loss"])
        let tensors = try TensorFile(path: input)
        let loaded = try adapter.load(model)
        var options = PassOptions()
        options.everything = all
        options.gradients = gradients
        options.labelSmoothing = Float(labelSmoothing)
        options.precision = dtype.precision
        let result = try ForwardPass(loaded, options: options, runtime: try compute.runtime()).run(tensors)
        try result.write(path: output)
    }
}
