extension GenerationOptions {
    /// The rules that are asked for, in their order, which is that of Hugging Face's `generate`.
    func rules(source: [Int32]) -> [any LogitsRule] {
        var rules: [any LogitsRule] = []
        func add(_ isAsked: Bool, _ rule: @autoclosure () -> any LogitsRule) {
            if isAsked { rules.append(rule()) }
        }
        add(!biases.isEmpty, SequenceBias(biases: biases))
        add(
            encoderRepetitionPenalty != 1,
            SourcePreference(penalty: Float(encoderRepetitionPenalty), source: source))
        add(repetitionPenalty != 1, RepetitionPenalty(penalty: Float(repetitionPenalty)))
        add(presencePenalty != 0, PresencePenalty(penalty: Float(presencePenalty)))
        add(frequencyPenalty != 0, FrequencyPenalty(penalty: Float(frequencyPenalty)))
        add(noRepeatNgramSize > 0, RepeatedNgrams(size: noRepeatNgramSize))
        add(encoderNoRepeatNgramSize > 0, SourceNgrams(size: encoderNoRepeatNgramSize, source: source))
        add(!badWords.isEmpty, BannedSequences(badWords, ends: endTokens))
        add(minNewTokens > 0, MinimumLength(newTokens: minNewTokens, ends: endTokens))
        if let forcedBeginToken { rules.append(ForcedTokens(ids: [forcedBeginToken], place: .afterStart)) }
        add(!forcedEndTokens.isEmpty, ForcedTokens(ids: forcedEndTokens, place: .last(of: maxNewTokens)))
        if let lengthDecay {
            rules.append(LengthDecay(start: lengthDecay.start, factor: lengthDecay.factor, ends: endTokens))
        }
        add(!suppressedTokens.isEmpty, SuppressedTokens(ids: suppressedTokens))
        add(
            !beginSuppressedTokens.isEmpty,
            BeginSuppressedTokens(ids: beginSuppressedTokens, forcesFirst: forcedBeginToken != nil))
        return rules
    }

    /// The filters that are asked for, in their order, for draws.
    var filters: [any CandidateFilter] {
        // A beam needs continuations that do not end.
        let least = numBeams > 1 ? max(minTokensToKeep, max(2, endTokens.count + 1)) : minTokensToKeep
        var filters: [any CandidateFilter] = []
        func add(_ isAsked: Bool, _ filter: @autoclosure () -> any CandidateFilter) {
            if isAsked { filters.append(filter()) }
        }
        add(topK > 0, TopK(count: max(topK, least)))
        add(topP < 1, TopP(mass: topP, atLeast: least))
        add(minP > 0, MinP(share: minP, atLeast: least))
        add(topA > 0, TopA(share: topA, atLeast: least))
        add(typicalP < 1, Typical(mass: typicalP, atLeast: least))
        add(epsilonCutoff > 0, EpsilonCutoff(probability: epsilonCutoff, atLeast: least))
        add(etaCutoff > 0, EtaCutoff(epsilon: etaCutoff, atLeast: least))
        return filters
    }
}
