import HeedSupport

/// The four normalisation forms of Unicode (UAX 15).
public struct UnicodeNormalizer: NormalizerStage {
    /// A normal form of Unicode Standard Annex 15.
    public enum Form: String, Sendable, CaseIterable {
        /// Canonical composition.
        case nfc = "NFC"
        /// Canonical decomposition.
        case nfd = "NFD"
        /// Compatibility composition.
        case nfkc = "NFKC"
        /// Compatibility decomposition.
        case nfkd = "NFKD"
    }

    /// The form.
    public let form: Form

    /// The normaliser of a form.
    public init(_ form: Form) { self.form = form }

    public func normalize(_ text: inout NormalizedText) {
        let compatible = form == .nfkc || form == .nfkd
        let composes = form == .nfc || form == .nfkc
        if UnicodeNormalizer.isStable(text.bytes, compatible: compatible, composes: composes) { return }
        var changes = UnicodeNormalizer.decomposed(text, compatible: compatible)
        if composes { UnicodeNormalizer.compose(&changes) }
        text.transform(changes)
    }

    public func json() -> JSON? { ["type": .string(form.rawValue)] }

    /// Whether a text is surely normalised already: it has no scalar that could change.
    private static func isStable(_ bytes: [UInt8], compatible: Bool, composes: Bool) -> Bool {
        typealias Flag = UnicodeTables.Flag
        return bytes.withUnsafeBufferPointer { bytes in
            var at = 0
            // ASCII never changes.
            while at < bytes.count, bytes[at] < 0x80 { at += 1 }
            if at == bytes.count { return true }
            let flags = UnicodeTables.flags
            var mask = Flag.hasCanonical | Flag.combines
            if compatible { mask |= Flag.hasCompatible }
            if composes { mask |= Flag.composesBackward }
            while at < bytes.count {
                let (scalar, length) = decodeScalar(bytes, at)
                if length == 1, scalar.value > 0x7F { return false }
                if flags[Int(scalar.value)] & mask != 0 { return false }
                at += length
            }
            return true
        }
    }

    /// The decomposition of a text in canonical order, as changes.
    static func decomposed(_ text: NormalizedText, compatible: Bool) -> [NormalizedText.Change] {
        var changes: [NormalizedText.Change] = []
        changes.reserveCapacity(text.bytes.count)
        let flags = UnicodeTables.flags
        let classes = UnicodeTables.combiningClasses
        // Where the run of scalars of combining class > 0 at the end started.
        var pending = 0
        func append(_ scalar: Unicode.Scalar, _ shift: Int32) {
            changes.append(NormalizedText.Change(scalar, shift))
            if classes[Int(scalar.value)] == 0 {
                sort(&changes, pending)
                pending = changes.count
            }
        }
        text.forEachScalar { scalar in
            let flag = flags[Int(scalar.value)]
            if scalar.value >= 0xAC00, scalar.value <= 0xD7A3 {
                let index = scalar.value - 0xAC00
                append(Unicode.Scalar(0x1100 + index / 588) ?? scalar, 0)
                append(Unicode.Scalar(0x1161 + index % 588 / 28) ?? scalar, 1)
                if index % 28 != 0 { append(Unicode.Scalar(0x11A7 + index % 28) ?? scalar, 1) }
                return
            }
            var mapped: ArraySlice<UInt32> = []
            if compatible, flag & UnicodeTables.Flag.hasCompatible != 0 {
                mapped = UnicodeTables.compatible.find(scalar.value)
            } else if flag & UnicodeTables.Flag.hasCanonical != 0 {
                mapped = UnicodeTables.canonical.find(scalar.value)
            }
            if mapped.isEmpty {
                append(scalar, 0)
                return
            }
            for (index, value) in mapped.enumerated() { append(Unicode.Scalar(value) ?? scalar, index == 0 ? 0 : 1) }
        }
        sort(&changes, pending)
        return changes
    }

    /// Sorts the marks from `start` to the end (less a starter at the end) by their combining class, keeping the
    /// order of equals.
    private static func sort(_ changes: inout [NormalizedText.Change], _ start: Int) {
        let classes = UnicodeTables.combiningClasses
        func rank(_ index: Int) -> UInt8 { classes[Int(changes[index].scalar.value)] }
        var end = changes.count
        if end > start, rank(end - 1) == 0 { end -= 1 }
        guard end - start > 1 else { return }
        if end - start > 32 {
            // Long runs of marks are rare and hostile: sort them in n log n.
            let order = (start..<end).sorted { (rank($0), $0) < (rank($1), $1) }
            let sorted = order.map { changes[$0] }
            changes.replaceSubrange(start..<end, with: sorted)
            return
        }
        for index in start + 1..<end {
            var place = index
            while place > start, rank(place - 1) > rank(place) {
                changes.swapAt(place - 1, place)
                place -= 1
            }
        }
    }

    /// Joins starters with what follows them into primary composites.
    static func compose(_ changes: inout [NormalizedText.Change]) {
        let classes = UnicodeTables.combiningClasses
        let flags = UnicodeTables.flags
        var kept = 0
        var starter = -1
        var lastClass: UInt8 = 0
        for index in changes.indices {
            let change = changes[index]
            let value = change.scalar.value
            let combining = classes[Int(value)]
            if starter >= 0, flags[Int(value)] & UnicodeTables.Flag.composesBackward != 0,
                kept == starter + 1 || (lastClass != 0 && lastClass < combining),
                let composed = composition(changes[starter].scalar.value, value)
            {
                changes[starter].scalar = composed
                // A scalar that came from the source is dropped there; one that a decomposition made never was there.
                if change.shift <= 0 { changes[starter].shift += change.shift - 1 }
                continue
            }
            if combining == 0 { starter = kept }
            lastClass = combining
            changes[kept] = change
            kept += 1
        }
        changes.removeLast(changes.count - kept)
    }

    private static func composition(_ first: UInt32, _ second: UInt32) -> Unicode.Scalar? {
        if first >= 0x1100, first <= 0x1112, second >= 0x1161, second <= 0x1175 {
            return Unicode.Scalar(0xAC00 + (first - 0x1100) * 588 + (second - 0x1161) * 28)
        }
        if first >= 0xAC00, first <= 0xD7A3, (first - 0xAC00) % 28 == 0, second >= 0x11A8, second <= 0x11C2 {
            return Unicode.Scalar(first + second - 0x11A7)
        }
        return UnicodeTables.compositions[UInt64(first) << 32 | UInt64(second)].flatMap { Unicode.Scalar($0) }
    }
}
