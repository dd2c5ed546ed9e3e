#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The first place of a byte in `start ..< count`, or nil.
func findByte(_ byte: UInt8, _ text: UnsafePointer<UInt8>, _ start: Int, _ count: Int) -> Int? {
    guard start < count, let found = memchr(text + start, Int32(byte), count - start) else { return nil }
    return UnsafeRawPointer(found) - UnsafeRawPointer(text)
}
