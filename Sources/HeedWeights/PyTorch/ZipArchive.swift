import HeedSupport

/// The table of a zip file whose entries are stored as they are, as PyTorch writes them, so that every entry is a range
/// of the file.
///
/// Source: PKWARE's APPNOTE 6.3.10, sections 4.3 and 4.5.3 (zip64).
struct ZipArchive {
    /// Where the content of each entry lies in the file, by name.
    private(set) var entries: [String: Range<Int>] = [:]

    /// Whether bytes begin as a zip file does.
    static func begins(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.count >= 4 && bytes.loadUnaligned(as: UInt32.self) == localSignature
    }

    private static let localSignature: UInt32 = 0x0403_4B50
    private static let entrySignature: UInt32 = 0x0201_4B50
    private static let endSignature: UInt32 = 0x0605_4B50
    private static let endSignature64: UInt32 = 0x0606_4B50
    private static let locatorSignature: UInt32 = 0x0706_4B50

    /// Reads the table at the end of the file.
    ///
    /// - Throws: `HeedError` naming the file, and the entry where one is compressed, encrypted or leads elsewhere.
    init(_ bytes: UnsafeRawBufferPointer, file: String) throws {
        let (start, size, count) = try ZipArchive.table(bytes, file)
        var reader = ByteReader(UnsafeRawBufferPointer(rebasing: bytes[..<(start + size)]), file: file, at: start)
        // Each entry takes at least 46 bytes of the table, whatever number the file gives.
        entries.reserveCapacity(min(count, size / 46))
        for _ in 0..<count {
            let (name, range) = try ZipArchive.entry(&reader, bytes, file)
            guard entries.updateValue(range, forKey: name) == nil else {
                throw HeedError(.badInput, "the archive has the entry \(quoted(name)) twice", in: file)
            }
        }
    }

    /// The place, size and number of entries of the central directory.
    private static func table(_ bytes: UnsafeRawBufferPointer, _ file: String) throws -> (Int, Int, Int) {
        // The end record has 22 bytes and a comment of at most 65,535 after it.
        let lowest = max(0, bytes.count - 22 - 65_535)
        var end = bytes.count - 22
        while end >= lowest, bytes.loadUnaligned(fromByteOffset: end, as: UInt32.self) != endSignature { end -= 1 }
        guard end >= lowest else {
            throw HeedError(
                .badInput, "the zip archive has no table at its end, so the file is cut short", in: file,
                advice: "Download or save the file again")
        }
        var reader = ByteReader(bytes, file: file, at: end + 10)
        let count: UInt16 = try reader.integer("the end record")
        let size: UInt32 = try reader.integer("the end record")
        let start: UInt32 = try reader.integer("the end record")
        var place = (UInt64(start), UInt64(size), UInt64(count))
        if count == .max || size == .max || start == .max {
            place = try table64(bytes, file, end: end)
        }
        guard place.0 <= UInt64(bytes.count), place.1 <= UInt64(bytes.count) - place.0, place.2 <= place.1 / 46 else {
            throw HeedError(
                .badInput, "the table of the zip archive lies beyond the file, which is cut short or broken", in: file,
                expected: "\(grouped(bytes.count)) bytes at most", got: "\(place.1) bytes from \(place.0)")
        }
        return (Int(place.0), Int(place.1), Int(place.2))
    }

    private static func table64(
        _ bytes: UnsafeRawBufferPointer, _ file: String, end: Int
    ) throws -> (UInt64, UInt64, UInt64) {
        func broken() -> HeedError {
            HeedError(.badInput, "the zip archive is too large for its table and has no zip64 table", in: file)
        }
        guard end >= 20 else { throw broken() }
        var locator = ByteReader(bytes, file: file, at: end - 20)
        guard try locator.integer("the zip64 locator") == locatorSignature else { throw broken() }
        _ = try locator.take(4, "the zip64 locator")
        let offset: UInt64 = try locator.integer("the zip64 locator")
        guard offset <= UInt64(end) else { throw broken() }
        var record = ByteReader(bytes, file: file, at: Int(offset))
        guard try record.integer("the zip64 end record") == endSignature64 else { throw broken() }
        _ = try record.take(28, "the zip64 end record")
        let count: UInt64 = try record.integer("the zip64 end record")
        let size: UInt64 = try record.integer("the zip64 end record")
        let start: UInt64 = try record.integer("the zip64 end record")
        return (start, size, count)
    }

    /// One entry of the table, held against its own header.
    private static func entry(
        _ reader: inout ByteReader, _ bytes: UnsafeRawBufferPointer, _ file: String
    ) throws -> (String, Range<Int>) {
        let what = "the table of the zip archive"
        guard try reader.integer(what) == entrySignature else {
            throw HeedError(.badInput, "the table of the zip archive is broken", in: file)
        }
        _ = try reader.take(4, what)
        let flags: UInt16 = try reader.integer(what)
        let method: UInt16 = try reader.integer(what)
        _ = try reader.take(8, what)
        let packed32: UInt32 = try reader.integer(what)
        let size32: UInt32 = try reader.integer(what)
        let nameLength: UInt16 = try reader.integer(what)
        let extraLength: UInt16 = try reader.integer(what)
        let commentLength: UInt16 = try reader.integer(what)
        _ = try reader.take(8, what)
        let offset32: UInt32 = try reader.integer(what)
        let name = try reader.text(Int(nameLength), "the name of an entry of the zip archive")
        var sizes = (size: UInt64(size32), packed: UInt64(packed32), offset: UInt64(offset32))
        let extraStart = try reader.take(Int(extraLength), what)
        var extra = ByteReader(
            UnsafeRawBufferPointer(rebasing: bytes[..<(extraStart + Int(extraLength))]), file: file, at: extraStart)
        _ = try reader.take(Int(commentLength), what)
        try readSizes64(&extra, &sizes)
        guard flags & 1 == 0 else {
            throw HeedError(.unsupported, "the entry \(quoted(name)) of the archive is encrypted", in: file)
        }
        guard method == 0, sizes.size == sizes.packed else {
            throw HeedError(
                .unsupported, "the entry \(quoted(name)) of the archive is compressed", in: file,
                expected: "entries stored as they are, as torch.save writes them", got: "method \(method)",
                advice: "Load the file with PyTorch and save it again")
        }
        // The entry's own header repeats name and extra fields with lengths of its own; the content follows it.
        guard sizes.offset <= UInt64(bytes.count) else { throw beyond(name, file) }
        var local = ByteReader(bytes, file: file, at: Int(sizes.offset))
        guard local.left >= 30, try local.integer("an entry") == localSignature else { throw beyond(name, file) }
        _ = try local.take(22, "an entry")
        let localName: UInt16 = try local.integer("an entry")
        let localExtra: UInt16 = try local.integer("an entry")
        guard Int(localName) + Int(localExtra) <= local.left else { throw beyond(name, file) }
        let start = try local.take(Int(localName) + Int(localExtra), "an entry") + Int(localName) + Int(localExtra)
        guard sizes.size <= UInt64(bytes.count - start) else { throw beyond(name, file) }
        return (name, start..<start + Int(sizes.size))
    }

    /// Sizes that do not fit 32 bits stand in the extra field 1, each only where its own 32 bits are all set.
    private static func readSizes64(
        _ extra: inout ByteReader, _ sizes: inout (size: UInt64, packed: UInt64, offset: UInt64)
    ) throws {
        let full = UInt64(UInt32.max)
        while extra.left >= 4 {
            let kind: UInt16 = try extra.integer("an extra field")
            let length: UInt16 = try extra.integer("an extra field")
            guard kind == 1 else {
                if Int(length) > extra.left { return }
                _ = try extra.take(Int(length), "an extra field")
                continue
            }
            if sizes.size == full { sizes.size = try extra.integer("a zip64 size") }
            if sizes.packed == full { sizes.packed = try extra.integer("a zip64 size") }
            if sizes.offset == full { sizes.offset = try extra.integer("a zip64 offset") }
            return
        }
    }

    private static func beyond(_ name: String, _ file: String) -> HeedError {
        HeedError(
            .badInput, "the entry \(quoted(name)) of the archive leads beyond the file, which is cut short or broken",
            in: file, advice: "Download or save the file again")
    }
}
