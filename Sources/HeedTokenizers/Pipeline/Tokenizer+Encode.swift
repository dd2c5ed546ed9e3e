import HeedSupport

extension Tokenizer {
    /// The ids of a text, without special tokens around it, truncation or padding.
    ///
    /// Any bytes are allowed for byte-level models; others read a byte that is no UTF-8 as U+FFFD.
    /// Cost: for byte-level BPE with a known pattern some 10 ns per byte on one thread, or less.
    public func ids(of text: String) -> [TokenID] {
        var text = text
        return text.withUTF8 { ids(of: $0) }
    }

    /// The ids of a text given as bytes.
    public func ids(of bytes: [UInt8]) -> [TokenID] {
        bytes.withUnsafeBufferPointer { ids(of: $0) }
    }

    /// The ids of a text given as bytes.
    public func ids(of bytes: UnsafeBufferPointer<UInt8>) -> [TokenID] {
        withWorkspace { workspace in
            var buffer = IDBuffer(capacity: bytes.count / 4 + 16)
            appendIDs(of: bytes, workspace, to: &buffer)
            return buffer.array()
        }
    }

    /// Appends the ids of a text, over the fastest path that the stages allow.
    func appendIDs(of bytes: UnsafeBufferPointer<UInt8>, _ workspace: Workspace, to ids: inout IDBuffer) {
        if let fastPath {
            encodeFast(bytes, fastPath, workspace, into: &ids)
        } else if let wordPath, firstBadByte(bytes) == nil {
            encodeWords(bytes, wordPath, workspace, into: &ids)
        } else if let piecePath {
            encodePieces(bytes, piecePath, workspace, into: &ids)
        } else {
            tokens(of: bytes, tracksSpans: false, workspace).ids.withUnsafeBufferPointer { ids.append($0) }
        }
    }

    /// Appends the ids of a text to a buffer, over the fast path.
    func encodeFast(
        _ bytes: UnsafeBufferPointer<UInt8>, _ fastPath: FastPath, _ workspace: Workspace, into ids: inout IDBuffer
    ) {
        let encoder = workspace.byteEncoder(for: fastPath.model)
        if fastPath.model.spelling == .ranks, let start = firstBadByte(bytes) {
            fastPath.encodeBroken(bytes, from: start, with: encoder, into: &ids)
            return
        }
        if addedTokens.source.isEmpty, addedTokens.normalized.isEmpty {
            fastPath.encode(bytes, with: encoder, into: &ids)
            return
        }
        for segment in allSegments(of: bytes) {
            if let token = segment.token {
                ids.append(token)
            } else {
                fastPath.encode(UnsafeBufferPointer(rebasing: bytes[segment.range]), with: encoder, into: &ids)
            }
        }
    }

    private var trimsOffsets: Bool { postProcessor?.trimsOffsets ?? false }

    /// The segments of a text without a normaliser: both searches look at the source.
    private func allSegments(of bytes: UnsafeBufferPointer<UInt8>) -> [AddedTokens.Segment] {
        let first = addedTokens.segments(of: bytes, by: addedTokens.source, ignoresSpecial: !recognisesSpecialTokens)
        if addedTokens.normalized.isEmpty { return first }
        return first.flatMap { segment -> [AddedTokens.Segment] in
            if segment.token != nil { return [segment] }
            return addedTokens.segments(
                of: UnsafeBufferPointer(rebasing: bytes[segment.range]), by: addedTokens.normalized,
                ignoresSpecial: !recognisesSpecialTokens
            ).map { inner in
                let start = inner.range.lowerBound + segment.range.lowerBound
                let core = inner.core.lowerBound + segment.range.lowerBound
                return AddedTokens.Segment(
                    range: start..<start + inner.range.count, token: inner.token,
                    core: core..<core + inner.core.count)
            }
        }
    }

    /// The tokens of a text with their places, over the fast path: every token covers as many bytes as it has, and
    /// its place is widened to whole characters.
    private func fastTokens(
        of bytes: UnsafeBufferPointer<UInt8>, _ fastPath: FastPath, _ workspace: Workspace
    ) -> TokenList {
        var result = TokenList(tracksSpans: true)
        let encoder = workspace.byteEncoder(for: fastPath.model)
        var buffer = IDBuffer(capacity: bytes.count / 4 + 16)
        let broken = fastPath.model.spelling == .ranks ? firstBadByte(bytes) : nil
        let segments =
            broken == nil ? allSegments(of: bytes) : [AddedTokens.Segment(range: 0..<bytes.count, token: nil)]
        for segment in segments {
            if let token = segment.token {
                let range = trimsOffsets ? segment.core : segment.range
                result.append(token, from: range.lowerBound, to: range.upperBound)
                continue
            }
            buffer.removeAll()
            let part = UnsafeBufferPointer(rebasing: bytes[segment.range])
            if let broken {
                fastPath.encodeBroken(part, from: broken, with: encoder, into: &buffer)
            } else {
                fastPath.encode(part, with: encoder, into: &buffer)
            }
            var at = segment.range.lowerBound
            for id in buffer.array() {
                let end = min(at + fastPath.model.byteCount(of: id), bytes.count)
                result.append(id, from: characterStart(bytes, at), to: characterEnd(bytes, end))
                at = end
            }
        }
        return result
    }

    /// The tokens of a text with their places.
    func tokens(of bytes: UnsafeBufferPointer<UInt8>, tracksSpans: Bool, _ workspace: Workspace) -> TokenList {
        if let fastPath { return fastTokens(of: bytes, fastPath, workspace) }
        var result = TokenList(tracksSpans: tracksSpans)
        for segment in addedTokens.segments(
            of: bytes, by: addedTokens.source, ignoresSpecial: !recognisesSpecialTokens)
        {
            if let token = segment.token {
                let range = trimsOffsets ? segment.core : segment.range
                result.append(token, from: range.lowerBound, to: range.upperBound)
                continue
            }
            appendSegment(
                UnsafeBufferPointer(rebasing: bytes[segment.range]), at: segment.range.lowerBound,
                isAtStart: segment.range.lowerBound == 0, normalizer, to: &result, workspace)
        }
        return result
    }

    /// Appends the tokens of a stretch of source between two added tokens.
    func appendSegment(
        _ bytes: UnsafeBufferPointer<UInt8>, at offset: Int, isAtStart: Bool, _ normalizer: (any NormalizerStage)?,
        to result: inout TokenList, _ workspace: Workspace
    ) {
        var text = NormalizedText(bytes, at: offset, isAtStart: isAtStart, tracksSources: result.tracksSpans)
        normalizer?.normalize(&text)
        if addedTokens.normalized.isEmpty {
            append(text, isAtStart: isAtStart, to: &result, workspace)
            return
        }
        let parts = text.bytes.withUnsafeBufferPointer {
            addedTokens.segments(of: $0, by: addedTokens.normalized, ignoresSpecial: !recognisesSpecialTokens)
        }
        for part in parts {
            if let token = part.token {
                let source = text.source(of: trimsOffsets ? part.core : part.range)
                result.append(token, from: Int(source.start), to: Int(source.end))
            } else {
                append(
                    parts.count == 1 ? text : text.slice(part.range),
                    isAtStart: isAtStart && part.range.lowerBound == 0, to: &result, workspace)
            }
        }
    }

    /// Cuts normalised text into pieces and appends their tokens.
    private func append(
        _ text: NormalizedText, isAtStart: Bool, to result: inout TokenList, _ workspace: Workspace
    ) {
        var list = PieceList(text, isAtStart: isAtStart)
        preTokenizer?.cut(&list)
        if !model.isByteLevel { list.spellIfNeeded() }
        let bytes = list.text.bytes
        var local = TokenList(tracksSpans: result.tracksSpans)
        let bpe = model as? BPEModel
        let memory = result.tracksSpans ? nil : workspace.pieces
        for piece in list.pieces {
            if let memory, recall(piece, of: bytes, from: memory, to: &result) { continue }
            let before = result.count
            local.removeAll()
            if list.isSpelled, let bpe, bpe.isByteLevel {
                appendSpelled(bytes[piece], at: piece.lowerBound, bpe, list.text, to: &result, &local, workspace)
            } else {
                bytes[piece].withUnsafeBufferPointer { buffer in
                    if let bpe {
                        bpe.tokenize(buffer, into: &local, scratch: &workspace.scratch)
                    } else {
                        model.tokenize(buffer, into: &local)
                    }
                    if result.tracksSpans { result.unknownCharacters += unknownCharacters(of: buffer, local) }
                }
                append(local, of: piece, list.text, to: &result)
            }
            if let memory {
                result.ids.withUnsafeBufferPointer {
                    remember(piece, of: bytes, as: UnsafeBufferPointer(rebasing: $0[before...]), in: memory)
                }
            }
        }
    }

    /// Appends what a piece was last cut into; false where that is not known.
    @inline(__always)
    private func recall(
        _ piece: Range<Int>, of bytes: [UInt8], from memory: WordMemory, to result: inout TokenList
    ) -> Bool {
        bytes.withUnsafeBufferPointer { buffer -> Bool in
            guard let base = buffer.baseAddress,
                let ids = memory.ids(
                    of: base + piece.lowerBound, piece.count, readable: buffer.count - piece.lowerBound)
            else { return false }
            for id in ids { result.append(id, from: 0, to: 0) }
            return true
        }
    }

    /// Remembers what a piece was cut into.
    @inline(__always)
    private func remember(
        _ piece: Range<Int>, of bytes: [UInt8], as ids: UnsafeBufferPointer<TokenID>, in memory: WordMemory
    ) {
        bytes.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            memory.insert(base + piece.lowerBound, piece.count, readable: buffer.count - piece.lowerBound, ids)
        }
    }

    /// Appends the tokens of a piece with the places in the source that they come from.
    @inline(__always)
    private func append(
        _ tokens: TokenList, of piece: Range<Int>, _ text: NormalizedText, to result: inout TokenList
    ) {
        let limit = text.bytes.count
        for index in 0..<tokens.count {
            guard result.tracksSpans else {
                result.append(tokens.ids[index], from: 0, to: 0)
                continue
            }
            let span = tokens.spans[index].range
            let start = min(span.lowerBound + piece.lowerBound, limit)
            let source = text.source(of: start..<max(start, min(span.upperBound + piece.lowerBound, limit)))
            result.append(tokens.ids[index], from: Int(source.start), to: Int(source.end))
        }
    }

    /// Tokens of a piece that is spelled in GPT-2's alphabet, for a model that takes bytes.
    private func appendSpelled(
        _ piece: ArraySlice<UInt8>, at start: Int, _ bpe: BPEModel, _ text: NormalizedText,
        to result: inout TokenList, _ local: inout TokenList, _ workspace: Workspace
    ) {
        var raw: [UInt8] = []
        // Where the character of each byte starts, and where the last one ends.
        var places: [Int] = []
        piece.withUnsafeBufferPointer { buffer in
            var at = 0
            while at < buffer.count {
                let (scalar, length) = decodeScalar(buffer, at)
                raw.append(ByteAlphabet.byte(of: scalar) ?? UInt8(ascii: "?"))
                places.append(start + at)
                at += length
            }
            places.append(start + at)
        }
        raw.withUnsafeBufferPointer {
            bpe.tokenize($0, into: &local, scratch: &workspace.scratch)
            if result.tracksSpans { result.unknownCharacters += unknownCharacters(of: $0, local) }
        }
        for index in 0..<local.count {
            guard result.tracksSpans else {
                result.append(local.ids[index], from: 0, to: 0)
                continue
            }
            let span = local.spans[index].range
            let source = text.source(of: places[span.lowerBound]..<places[min(span.upperBound, places.count - 1)])
            result.append(local.ids[index], from: Int(source.start), to: Int(source.end))
        }
    }

    /// Encodes a text: ids with types, mask and offsets, special tokens around them, truncated and padded as set.
    ///
    /// - Throws: `HeedError` where truncation is set so that it cannot be done.
    public func encode(_ text: String, addingSpecialTokens: Bool = true) throws -> Encoding {
        try encode(Array(text.utf8), addingSpecialTokens: addingSpecialTokens)
    }

    /// Encodes a pair of texts.
    public func encode(_ text: String, pair: String, addingSpecialTokens: Bool = true) throws -> Encoding {
        try encode(Array(text.utf8), pair: Array(pair.utf8), addingSpecialTokens: addingSpecialTokens)
    }

    /// Encodes a text, or two, given as bytes.
    public func encode(_ text: [UInt8], pair: [UInt8]? = nil, addingSpecialTokens: Bool = true) throws -> Encoding {
        var result = [try encodeUnpadded(text, pair: pair, addingSpecialTokens: addingSpecialTokens)]
        padding?.apply(&result)
        return result[0]
    }

    /// Encodes texts or pairs, padded together.
    public func encode(
        batch: [(text: [UInt8], pair: [UInt8]?)], addingSpecialTokens: Bool = true
    ) throws -> [Encoding] {
        var result = try batch.map {
            try encodeUnpadded($0.text, pair: $0.pair, addingSpecialTokens: addingSpecialTokens)
        }
        padding?.apply(&result)
        return result
    }

    /// Fills encodings up together, as `padding` says; does nothing without it.
    public func fill(_ encodings: inout [Encoding]) { padding?.apply(&encodings) }

    private func encodeUnpadded(_ text: [UInt8], pair: [UInt8]?, addingSpecialTokens: Bool) throws -> Encoding {
        var encodings = withWorkspace { workspace in
            [text, pair].compactMap { $0 }.enumerated().map { position, bytes in
                let list = bytes.withUnsafeBufferPointer { tokens(of: $0, tracksSpans: true, workspace) }
                return Encoding(list, typeID: Int32(position), sequence: Int8(position))
            }
        }
        let isPair = encodings.count > 1
        if let truncation {
            let added = addingSpecialTokens ? postProcessor?.addedCount(isPair: isPair) ?? 0 : 0
            try truncation.apply(&encodings, added: added)
        }
        if let postProcessor {
            encodings = postProcessor.process(encodings, addingSpecialTokens: addingSpecialTokens)
        }
        guard var result = encodings.first else { return Encoding() }
        for encoding in encodings.dropFirst() { result.merge(encoding) }
        return result
    }
}
