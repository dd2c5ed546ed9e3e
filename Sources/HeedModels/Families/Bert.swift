import HeedLayers
import HeedSupport
import HeedTensor
import HeedWeights

// BERT (Devlin et al. 2019) and RoBERTa (Liu et al. 2019) as `transformers` stores them.

extension EncoderConfiguration {
    /// The classes of `transformers` by family, with what stands on their states.
    private static func heads(_ family: Family, labels: Int) -> KeyValuePairs<String, EncoderHead> {
        family == .bert
            ? [
                "BertModel": .none, "BertForPreTraining": .pretraining, "BertForMaskedLM": .maskedLanguage,
                "BertForSequenceClassification": .sequenceClassifier(labels: labels),
                "BertForTokenClassification": .tokenClassifier(labels: labels),
            ]
            : [
                "RobertaModel": .none, "RobertaForMaskedLM": .maskedLanguage,
                "RobertaForSequenceClassification": .sequenceClassifier(labels: labels),
                "RobertaForTokenClassification": .tokenClassifier(labels: labels),
            ]
    }

    /// Reads the keys of BERT or RoBERTa.
    ///
    /// - Throws: `HeedError` naming the key that is missing, of another type, out of range or in contradiction.
    init(bertOrRoberta reader: ConfigurationReader, _ family: Family) throws {
        let isRoberta = family == .roberta
        let width = try reader.integer("hidden_size", in: 1...1 << 20)
        let heads = try reader.integer("num_attention_heads", in: 1...1 << 14)
        guard width % heads == 0 else {
            throw reader.contradiction(
                "num_attention_heads", "does not divide hidden_size", expected: "a divisor of \(width)",
                got: "\(heads)")
        }
        let vocabulary = try reader.integer("vocab_size", in: 1...1 << 26)
        let padding =
            try reader.optionalInteger("pad_token_id", in: 0...vocabulary - 1)
            ?? (isRoberta ? min(1, vocabulary - 1) : 0)
        let rows = try reader.integer("max_position_embeddings", in: 1...1 << 24, default: 512)
        let first = isRoberta ? padding + 1 : 0
        guard rows > first else {
            throw reader.contradiction(
                "max_position_embeddings", "leaves no position behind the padding id", expected: "more than \(first)",
                got: "\(rows)")
        }
        if let kind = try reader.optionalString("position_embedding_type"), kind != "absolute" {
            throw reader.contradiction(
                "position_embedding_type", "is not known", expected: "absolute", got: quoted(kind))
        }
        let labels: Int
        if let names = reader.object["id2label"]?.objectValue {
            labels = max(names.count, 1)
        } else {
            labels = try reader.integer("num_labels", in: 1...1 << 20, default: 2)
        }
        let known = EncoderConfiguration.heads(family, labels: labels)
        let name = try reader.strings("architectures").first ?? (isRoberta ? "RobertaModel" : "BertModel")
        guard let head = known.first(where: { $0.key == name })?.value else {
            throw reader.contradiction(
                "architectures", "names a class that is not known",
                expected: known.map(\.key).joined(separator: ", "), got: quoted(name))
        }
        let needsPooler: Bool =
            switch head {
            case .none, .pretraining: true
            case .sequenceClassifier: !isRoberta
            case .maskedLanguage, .tokenClassifier: false
            }
        self.init(
            vocabulary: vocabulary, context: rows - first, firstPosition: first, width: width,
            layers: try reader.integer("num_hidden_layers", in: 1...4096), heads: heads,
            inner: try reader.integer("intermediate_size", in: 1...1 << 24),
            activation: try reader.choice("hidden_act", DecoderConfiguration.activations, default: .gelu),
            epsilon: Float(try reader.double("layer_norm_eps", in: 0...1, default: 1e-12)),
            types: try reader.integer("type_vocab_size", in: 1...1 << 16, default: isRoberta ? 1 : 2),
            padding: padding, head: head, hasPooler: needsPooler)
        if isRoberta, case .sequenceClassifier = head { classifierHasDense = true }
        labelNames = EncoderConfiguration.labelNames(reader, count: labels, head)
        tied = try reader.bool("tie_word_embeddings", default: true)
        dropout = Float(try reader.double("hidden_dropout_prob", in: 0...0.999, default: 0.1))
        weightDropout = Float(try reader.double("attention_probs_dropout_prob", in: 0...0.999, default: 0.1))
        classifierDropout = Float(try reader.optionalDouble("classifier_dropout", in: 0...0.999) ?? Double(dropout))
        initialDeviation = Float(try reader.double("initializer_range", in: 0...10, default: 0.02))
    }

    /// The names of `id2label`; none where they say no more than the numbers.
    private static func labelNames(_ reader: ConfigurationReader, count: Int, _ head: EncoderHead) -> [String] {
        switch head {
        case .sequenceClassifier, .tokenClassifier: break
        default: return []
        }
        let given = (0..<count).map { reader.object["id2label"]?[String($0)]?.stringValue }
        let names = given.compactMap { $0 }
        let says = names.enumerated().contains { $1 != "LABEL_\($0)" }
        return names.count == count && says ? names : []
    }

    /// What `transformers` calls the class.
    func architecture(_ family: Family) -> String {
        EncoderConfiguration.heads(family, labels: labels ?? 0).first { $0.value == head }?.key ?? "BertModel"
    }

    func bertOrRobertaDocument() -> JSONObject {
        var document: JSONObject = [
            "attention_probs_dropout_prob": .number(decimal(weightDropout)),
            "classifier_dropout": classifierDropout == dropout ? .null : .number(decimal(classifierDropout)),
            "hidden_act": .string(DecoderConfiguration.activationName(activation)),
            "hidden_dropout_prob": .number(decimal(dropout)), "hidden_size": .integer(width),
            "initializer_range": .number(decimal(initialDeviation)), "intermediate_size": .integer(inner),
            "layer_norm_eps": .number(decimal(epsilon)),
            "max_position_embeddings": .integer(context + firstPosition), "num_attention_heads": .integer(heads),
            "num_hidden_layers": .integer(layers), "pad_token_id": .integer(padding),
            "tie_word_embeddings": .bool(tied), "type_vocab_size": .integer(types),
            "vocab_size": .integer(vocabulary),
        ]
        if let labels {
            var (names, ids) = (JSONObject(), JSONObject())
            for label in 0..<labels {
                names[String(label)] = .string(labelName(label))
                ids[labelName(label)] = .integer(label)
            }
            document["id2label"] = .object(names)
            document["label2id"] = .object(ids)
        }
        return document
    }

    /// Why the family's files cannot say what this configuration says, or nil.
    func objection(asBertOrRoberta family: Family) -> String? {
        if firstPosition != (family == .roberta ? padding + 1 : 0) { return "its positions" }
        if case .sequenceClassifier = head, classifierHasDense != (family == .roberta) { return "its classifier" }
        if types < 1 { return "no kinds of tokens" }
        return EncoderConfiguration.heads(family, labels: labels ?? 0).contains { $0.value == head } ? nil : "its head"
    }
}

extension Encoder {
    /// Published names: the body's begin with the family's name unless the body stands alone; files of either kind are
    /// read.
    func bertOrRobertaTensors(_ family: Family) -> [CheckpointTensor] {
        var list = CheckpointList(bodyPrefix: family.rawValue + ".", writesPrefix: configuration.head != .none)
        list.addBody("embeddings.word_embeddings.weight", embedding.table)
        list.addBody("embeddings.position_embeddings.weight", embedding.positionTable)
        list.addBody("embeddings.token_type_embeddings.weight", embedding.typeTable)
        list.addBody("embeddings.LayerNorm", embedding.norm)
        for (layer, block) in blocks.enumerated() {
            let name = "encoder.layer.\(layer)."
            let projection = block.attention.projection
            let width = configuration.width
            for (place, part) in ["query", "key", "value"].enumerated() {
                let rows = place * width..<(place + 1) * width
                list.addBody("\(name)attention.self.\(part)", projection, rows: rows)
            }
            list.addBody(name + "attention.output.dense", block.attention.output)
            list.addBody(name + "attention.output.LayerNorm", block.attentionNorm)
            list.addBody(name + "intermediate.dense", block.feedForward.up)
            list.addBody(name + "output.dense", block.feedForward.down)
            list.addBody(name + "output.LayerNorm", block.feedForwardNorm)
        }
        list.addBody("pooler.dense", pooler)
        if family == .bert {
            list.add("cls.predictions.transform.dense", transform)
            list.add("cls.predictions.transform.LayerNorm", transformNorm)
            list.add("cls.predictions.bias", predictionBias, aliases: ["cls.predictions.decoder.bias"])
            if predictionTable != embedding.table { list.add("cls.predictions.decoder.weight", predictionTable) }
            list.add("cls.seq_relationship", nextSentence)
            list.add("classifier", classifier)
        } else {
            list.add("lm_head.dense", transform)
            list.add("lm_head.layer_norm", transformNorm)
            list.add("lm_head.bias", predictionBias, aliases: ["lm_head.decoder.bias"])
            if predictionTable != embedding.table { list.add("lm_head.decoder.weight", predictionTable) }
            list.add("classifier.dense", classifierDense)
            list.add(classifierDense == nil ? "classifier" : "classifier.out_proj", classifier)
        }
        return list.tensors
    }
}
