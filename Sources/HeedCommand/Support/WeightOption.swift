import ArgumentParser
import HeedTensor

extension WeightForm: ExpressibleByArgument {}

/// How a model's matrices are kept while it runs: for every command that runs a model.
struct WeightOption: ParsableArguments {
    @Option(
        name: [.long, .customLong("dtype")],
        help: ArgumentHelp(
            "How the model's matrices are kept and multiplied: as the file has them, or rounded to a form.",
            discussion: """
                stored keeps 16-bit numbers and quantised blocks as the file has them and gives the bits of f32. int8 and \
                int4 are blocks of 32, multiplied as integers.
                """, valueName: "stored|f32|f16|bf16|int8|int4"))
    var weights = WeightForm.stored
}
