import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights

// What BERT and the encoders that follow it write alike.

extension EncoderFamily {
    /// Sizes, dropout and classes under the names that BERT gave them.
    ///
    /// - Parameter firstPosition: how many rows of the position table stand before that of the first position.
    func bertShape(
        _ reader: ConfigurationReader, types: Int, epsilon: Double = 1e-12, padding fallback: Int,
        firstPosition: (_ padding: Int) -> Int
    ) throws -> EncoderConfiguration {
        let width = try reader.integer("hidden_size", in: 1...1 << 20)
        let heads = try reader.heads("num_attention_heads", width: width, "hidden_size")
        let vocabulary = try reader.vocabulary()
        let padding =
            try reader.optionalInteger("pad_token_id", in: 0...vocabulary - 1) ?? min(fallback, vocabulary - 1)
        let rows = try reader.integer("max_position_embeddings", in: 1...1 << 24, default: 512)
        let first = firstPosition(padding)
        guard rows > first else {
            throw reader.contradiction(
                "max_position_embeddings", "leaves no position behind the padding id", expected: "more than \(first)",
                got: "\(rows)")
        }
        let (head, names) = try head(reader)
        var stack = StackShape(
            layers: try reader.layers("num_hidden_layers"), width: width, heads: heads,
            inner: try reader.inner("intermediate_size"))
        stack.activation = try reader.activation("hidden_act", default: .gelu)
        stack.epsilon = try reader.epsilon("layer_norm_eps", default: epsilon)
        stack.residualDropout = try reader.rate("hidden_dropout_prob", default: 0.1)
        stack.weightDropout = try reader.rate("attention_probs_dropout_prob", default: 0.1)
        stack.initial = .normal(try reader.deviation("initializer_range"))
        var c = EncoderConfiguration(
            vocabulary: vocabulary, context: rows - first, stack: stack,
            types: try reader.integer("type_vocab_size", in: 1...1 << 16, default: types), padding: padding,
            head: head, hasPooler: false)
        c.embeddedPositions = .learned(first: first)
        c.labelNames = names
        c.tied = try reader.bool("tie_word_embeddings", default: true)
        c.embeddingDropout = stack.residualDropout
        c.classifierDropout = Float(
            try reader.optionalDouble("classifier_dropout", in: 0...0.999) ?? Double(stack.residualDropout))
        complete(&c)
        return c
    }

    /// The keys of `bertShape`.
    func bertDocument(_ c: EncoderConfiguration) -> JSONObject {
        var document: JSONObject = [
            "attention_probs_dropout_prob": .number(decimal(c.weightDropout)),
            "classifier_dropout": c.classifierDropout == c.residualDropout
                ? .null : .number(decimal(c.classifierDropout)),
            "hidden_act": .string(c.activation.publishedName),
            "hidden_dropout_prob": .number(decimal(c.residualDropout)), "hidden_size": .integer(c.width),
            "initializer_range": .number(decimal(c.initial.deviation ?? 0.02)),
            "intermediate_size": .integer(c.inner), "layer_norm_eps": .number(decimal(c.epsilon)),
            "max_position_embeddings": .integer(c.context + c.firstPosition),
            "num_attention_heads": .integer(c.heads), "num_hidden_layers": .integer(c.layers),
            "pad_token_id": .integer(c.padding), "tie_word_embeddings": .bool(c.tied),
            "type_vocab_size": .integer(c.types), "vocab_size": .integer(c.vocabulary),
        ]
        c.writeLabels(to: &document)
        return document
    }
}

extension EncoderConfiguration {
    /// `id2label` and `label2id`.
    func writeLabels(to document: inout JSONObject) {
        guard let labels else { return }
        var (names, ids) = (JSONObject(), JSONObject())
        for label in 0..<labels {
            names[String(label)] = .string(labelName(label))
            ids[labelName(label)] = .integer(label)
        }
        document["id2label"] = .object(names)
        document["label2id"] = .object(ids)
    }
}

extension CheckpointList {
    /// The embeddings and blocks under the names that BERT gave them.
    mutating func addBertBody(_ encoder: TransformerEncoder, tiedHead: [String]) {
        addBody("embeddings_project", encoder.embedding.projection)
        addBody(
            "embeddings.word_embeddings.weight", encoder.embedding.table,
            aliases: encoder.configuration.tied ? tiedHead : [])
        addBody("embeddings.position_embeddings.weight", encoder.embedding.positionTable)
        addBody("embeddings.token_type_embeddings.weight", encoder.embedding.typeTable)
        addBody("embeddings.LayerNorm", encoder.embedding.norm)
        for (layer, block) in encoder.stack.blocks.enumerated() {
            let name = "encoder.layer.\(layer)."
            addBody(
                block.attention, query: name + "attention.self.query", key: name + "attention.self.key",
                value: name + "attention.self.value", output: name + "attention.output.dense")
            addBody(name + "attention.output.LayerNorm", block.attentionNorm.norm)
            addBody(name + "intermediate.dense", block.feedForward.dense?.up)
            addBody(name + "output.dense", block.feedForward.dense?.down)
            addBody(name + "output.LayerNorm", block.feedForwardNorm.norm)
        }
        addBody("pooler.dense", encoder.pooler)
    }

    /// An output matrix over ids of an encoder: its offset, and its matrix where it is not the table.
    mutating func addPrediction(_ encoder: TransformerEncoder, bias: String, decoder: String) {
        add(bias, encoder.prediction?.bias, overriding: bias == decoder + ".bias" ? [] : [decoder + ".bias"])
        if let matrix = encoder.prediction?.weight, matrix != encoder.embedding.table {
            add(decoder + ".weight", matrix)
        }
    }
}
