import HeedSupport
import Testing

@Suite("SHA-256")
struct SHA256Tests {
    @Test("the examples of FIPS 180-4")
    func examples() {
        #expect(
            SHA256.hex("".utf8) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(
            SHA256.hex("abc".utf8) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(
            SHA256.hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8)
                == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
        #expect(
            SHA256.hex(repeatElement(UInt8(ascii: "a"), count: 1_000_000))
                == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }

    @Test("pieces of any length give the hash of the whole")
    func pieces() {
        let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 * 31) }
        for length in [0, 1, 55, 56, 63, 64, 65, 119, 120, 200] {
            let whole = SHA256.hex(bytes.prefix(length))
            for step in [1, 7, 64, 100] {
                var hash = SHA256()
                for start in stride(from: 0, to: length, by: step) {
                    hash.update(Array(bytes[start..<min(start + step, length)]))
                }
                #expect(hash.finish().hexadecimal == whole)
            }
        }
    }

    @Test("the processor's instructions give what the plain rounds give, for any length and any pieces")
    func instructions() {
        let bytes = (0..<1_000).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ 13) }
        for length in stride(from: 0, through: 1_000, by: 7) {
            var fast = SHA256()
            var plain = SHA256(isPlain: true)
            plain.update(Array(bytes[..<length]))
            fast.update(Array(bytes[..<(length / 3)]))
            fast.update(Array(bytes[(length / 3)..<length]))
            #expect(fast.finish() == plain.finish(), "\(length) bytes")
        }
    }
}
