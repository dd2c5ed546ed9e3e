import Heed
import HeedSupport
import HeedWeights
import Testing

@testable import HeedCommand

@Suite("heed explain")
struct ExplainCommandTests {
    private func run(_ words: String...) -> Int32 { CommandRunner(root: HeedCommand.self).run(words) }

    /// A folder with a small model of each kind, with a tokenizer for the first, removed at the end.
    private func withModels(_ body: (_ folder: String) throws -> Void) throws {
        let folder = temporaryPath("explain")
        try createDirectory(folder)
        defer { try? removeTree(folder) }
        let text = joinPath(folder, "text.txt")
        try writeAtomically(
            path: text, text: String(repeating: "The cat sat on the mat & the <b>dog</b>.\n", count: 20))
        let tokenizer = try ByteLevelBPETrainer(vocabularySize: 270).train(files: [text])
        func save(_ name: String, _ configuration: Configuration, _ family: Family) throws {
            try createDirectory(joinPath(folder, name))
            try Model(configuration, family: family, seed: 3).save(folder: joinPath(folder, name))
        }
        try save("gpt", .decoder(.gpt2(width: 16, layers: 2, heads: 2, vocabulary: 270, context: 64)), .gpt2)
        try tokenizer.save(to: joinPath(folder, "gpt"))
        try save(
            "bert",
            .encoder(.bert(width: 16, layers: 2, heads: 2, vocabulary: 40, context: 16, head: .maskedLanguage)), .bert)
        try save(
            "marian",
            .encoderDecoder(.original(width: 16, layers: 2, heads: 2, inner: 24, vocabulary: 40, context: 16)), .marian)
        try body(folder)
    }

    @Test("readings of every kind of model are written")
    func tensors() throws {
        try withModels { folder in
            for (name, prefixes) in [("gpt", [""]), ("bert", [""]), ("marian", ["encoder_", "decoder_"])] {
                let output = joinPath(folder, name + ".safetensors")
                let code = run(
                    "explain", joinPath(folder, name), "--ids", "5,6,7", "--target", "8", "--output", output,
                    "--threads", "1")
                #expect(code == 0)
                let file = try TensorFile(path: output)
                #expect(file["logits"]?.values == file["logit_lens.2"]?.values && file["logits"] != nil)
                for prefix in prefixes {
                    let tokens = prefix == "decoder_" ? 1 : prefix == "encoder_" ? 4 : 3
                    let expected = name == "marian" && prefix == "encoder_" ? [3, 4] : [tokens]
                    #expect(expected.contains(file[prefix + "gradient_times_input"]?.shape.first ?? 0))
                    #expect(
                        file[prefix + "integrated_gradients"]?.shape == file[prefix + "gradient_times_input"]?.shape)
                    #expect(file[prefix + "head_ablation"]?.shape == [2, 2])
                    #expect(file[prefix + "attentions.1"]?.shape.count == 3)
                    #expect(file[prefix + "rollout.1"]?.shape.count == 2)
                }
            }
        }
    }

    @Test("a page is whole, holds no markup of the text, and is written over by itself only")
    func page() throws {
        try withModels { folder in
            let model = joinPath(folder, "gpt")
            let page = joinPath(folder, "page.html")
            for _ in 0..<2 {
                let code = run(
                    "explain", model, "--prompt", "the <b>dog</b></script>", "--against", "the <b>cat</b></script>",
                    "--html", page, "--threads", "1")
                guard code == 0 else {
                    // Texts of different lengths cannot be exchanged; the page is then made without.
                    #expect(run("explain", model, "--prompt", "the <b>dog</b></script>", "--html", page) == 0)
                    continue
                }
            }
            let text = String(decoding: try readFile(page), as: UTF8.self)
            #expect(text.hasPrefix("<!doctype html>") && text.hasSuffix("</html>\n"))
            #expect(text.components(of: "</script>") == 2)
            for outside in ["http://", "https://", "src=", "@import", "url("] {
                #expect(!text.replacing("http://www.w3.org/2000/svg", with: "").contains(outside), "\(outside)")
            }
            let other = joinPath(folder, "notes.html")
            try writeAtomically(path: other, text: "mine")
            #expect(run("explain", model, "--prompt", "the cat", "--html", other) == 2)
            #expect(run("explain", model, "--prompt", "the cat", "--html", other, "--overwrite") == 0)
        }
    }

    @Test("wrong questions are refused")
    func refusals() throws {
        try withModels { folder in
            let model = joinPath(folder, "gpt")
            #expect(run("explain", model) == 2)
            #expect(run("explain", model, "--ids", "1", "--prompt", "a") == 2)
            #expect(run("explain", model, "--ids", "1", "--readings", "everything") == 2)
            #expect(run("explain", model, "--ids", "1", "--readings", "patching") == 2)
            #expect(run("explain", model, "--ids", "1", "--layer", "-1") == 2)
            #expect(run("explain", model, "--ids", "1,999") == 1)
            #expect(run("explain", model, "--ids", "1", "--target", "999") == 1)
            #expect(run("explain", model, "--ids", "1", "--position", "1") == 1)
            #expect(run("explain", model, "--ids", "1", "--layer", "7", "--head", "0") == 2)
            #expect(run("explain", model, "--ids", "1", "--step", "nowhere") == 2)
            #expect(run("explain", model, "--ids", "1,2", "--against", "3") == 1)
            #expect(run("explain", joinPath(folder, "bert"), "--prompt", "no tokenizer") == 1)
            #expect(run("explain", model, "--ids", "1", "--weights", "bf16", "--gradients") == 2)
            #expect(run("explain", model, "--ids", "1", "--adapter", joinPath(folder, "none")) == 1)
            #expect(run("check", "--all", "--adapter", joinPath(folder, "none")) == 2)
        }
    }

    @Test("a form that rounds is explained as it computes")
    func forms() throws {
        try withModels { folder in
            func logits(_ form: String) throws -> [Float] {
                let output = joinPath(folder, form + ".safetensors")
                let code = run(
                    "explain", joinPath(folder, "gpt"), "--ids", "5,6,7", "--weights", form, "--output", output,
                    "--readings", "lens", "attention")
                #expect(code == 0)
                guard case .floats(let values)? = try TensorFile(path: output)["logits"]?.values else { return [] }
                return values
            }
            let (stored, exact, rounded) = (try logits("stored"), try logits("f32"), try logits("bf16"))
            #expect(stored == exact && !stored.isEmpty)
            #expect(rounded != exact && zip(rounded, exact).allSatisfy { abs($0 - $1) < 0.05 })
        }
    }

    @Test("the terminal's page names every stage, and gradients agree")
    func text() throws {
        try withModels { folder in
            let model = try Model.load(folder: joinPath(folder, "marian"))
            let question = try QuestionOptions.parse(["--ids", "5,6,7"])
            let asked = try question.ask(model, folder: joinPath(folder, "marian"))
            let explanation = try Explanation(model, asked.input, runtime: try Runtime(threads: 1))
            let look = try LookOptions.parse(["--layer", "1", "--head", "0", "--gradients"])
            let page = try ExplanationText(
                explanation: explanation, asked: asked, look: look,
                terminal: Terminal(hasColour: false, isInteractive: false, width: 80), leftOut: [],
                checks: try explanation.gradientChecks()
            ).page()
            for part in [
                "ENCODER.BLOCKS.1", "decoder.blocks.0", "softmax", "CROSS ATTENTIONS", "LENS", "gradient × input",
                "by differences", " agree", "S = q · kᵀ", "∂L/∂score",
            ] { #expect(page.contains(part), "\(part)") }
        }
    }
}

extension String {
    /// How often `part` stands in the text.
    fileprivate func components(of part: String) -> Int { ranges(of: part).count }
}
