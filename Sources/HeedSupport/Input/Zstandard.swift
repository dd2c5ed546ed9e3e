/// zstd files (RFC 8878): one or more frames, one after another, taken apart by the system's libzstd.
///
/// The library is opened when the first such file comes, so that nothing else needs it.
public enum Zstandard {
    /// Whether bytes begin as a zstd file does.
    public static func begins(_ bytes: UnsafeRawBufferPointer) -> Bool { bytes.starts(with: [0x28, 0xB5, 0x2F, 0xFD]) }

    /// Whether this system has the library.
    public static var isThere: Bool { library != nil }

    /// The content of all frames, one after another.
    ///
    /// - `place`: the file to name in errors.
    /// - `limit`: the most bytes that may come out.
    /// - Throws: `HeedError` naming the place: (`badInput`) cut short, damaged or too large; (`unsupported`) when the
    ///   system has no such library.
    /// Cost: one pass; memory for the content.
    public static func decompress(
        _ bytes: UnsafeRawBufferPointer, in place: String, limit: Int = Gzip.usualLimit
    ) throws -> [UInt8] {
        guard let library, let stream = library.create() else {
            throw HeedError(
                .unsupported, "the file is compressed with zstd, and this system has no libzstd", in: place,
                advice:
                    "Install it (libzstd1 or zstd), name it in HEED_ZSTD, or give - in its place, behind `zstd -dc \(place) |`"
            )
        }
        defer { _ = library.free(stream) }
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 17, alignment: 16)
        // Where the input lies, its size, and how much of it was read; and the same of the output.
        let input = UnsafeMutablePointer<UInt>.allocate(capacity: 3)
        let output = UnsafeMutablePointer<UInt>.allocate(capacity: 3)
        defer {
            piece.deallocate()
            input.deallocate()
            output.deallocate()
        }
        input.initialize(from: [UInt(bitPattern: bytes.baseAddress), UInt(bytes.count), 0], count: 3)
        output.initialize(from: [UInt(bitPattern: piece.baseAddress), UInt(piece.count), 0], count: 3)
        var content: [UInt8] = []
        while true {
            output[2] = 0
            // What is left to do of the frame; 0 at its end.
            let left = library.decompress(stream, output, input)
            if library.isError(left) != 0 {
                let reason = library.nameOfError(left).map { String(cString: $0) } ?? "error \(left)"
                throw HeedError(.badInput, "the compressed data are damaged: \(reason)", in: place)
            }
            let count = Int(output[2])
            guard content.count <= limit - count else {
                throw HeedError(
                    .badInput, "the compressed data expand to more than allowed", in: place,
                    expected: "at most \(grouped(limit)) bytes", advice: "Take the file apart with unzstd first")
            }
            content.append(contentsOf: piece[..<count])
            if left == 0 && input[2] == input[1] { return content }
            if input[2] == input[1] && count < piece.count {
                throw HeedError(
                    .badInput, "the compressed data end too early", in: place, advice: "The file was cut short")
            }
        }
    }

    /// The functions of libzstd's streams, which are the same since version 1.0.
    private struct Library: Sendable {
        typealias Create = @convention(c) () -> OpaquePointer?
        typealias Decompress =
            @convention(c) (OpaquePointer, UnsafeMutablePointer<UInt>, UnsafeMutablePointer<UInt>) -> Int
        typealias Free = @convention(c) (OpaquePointer) -> Int
        typealias IsError = @convention(c) (Int) -> UInt32
        typealias NameOfError = @convention(c) (Int) -> UnsafePointer<CChar>?

        let create: Create
        let decompress: Decompress
        let free: Free
        let isError: IsError
        let nameOfError: NameOfError

        init?() {
            guard let library = SystemLibrary(["libzstd.so.1", "libzstd.1.dylib"], variable: "HEED_ZSTD"),
                let create = library.function("ZSTD_createDStream", as: Create.self),
                let decompress = library.function("ZSTD_decompressStream", as: Decompress.self),
                let free = library.function("ZSTD_freeDStream", as: Free.self),
                let isError = library.function("ZSTD_isError", as: IsError.self),
                let nameOfError = library.function("ZSTD_getErrorName", as: NameOfError.self)
            else { return nil }
            self.create = create
            self.decompress = decompress
            self.free = free
            self.isError = isError
            self.nameOfError = nameOfError
        }
    }

    private static let library = Library()
}
