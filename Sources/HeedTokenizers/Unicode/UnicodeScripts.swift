// Made by Scripts/generate-unicode-scripts.pl from Unicode 14.0.0. Do not edit.

/// The script of every character (UAX 24), of Unicode 14.0.0.
enum UnicodeScripts {
    static let han: UInt8 = 47
    static let hiragana: UInt8 = 53
    static let katakana: UInt8 = 61
    static let inherited: UInt8 = 55
    /// Characters of no script of their own, and those that the version does not know.
    static let common: UInt8 = 255

    /// Runs of characters in hexadecimal: distance from the last run's end, length less one, script.
    private static let runs: StaticString = """
        41 19 45 7 19 45 30 0 45 10 0 45 6 16 45 2 1e 45 2 1c0 45 28 4 45 6 1 c 15 6f 37 1 3 2b 2 2 2b 3 3 2b 2 0 2b \
        5 0 2b 2 0 2b 2 2 2b 2 0 2b 2 13 2b 2 3e 2b 1 d 19 1 f 2b 1 84 1d 1 1 37 1 a8 1d 2 25 4 3 31 4 3 2 4 2 36 34 \
        9 1a 34 5 5 34 c 4 3 2 5 3 2 d 3 2 2 3 2 1f 3 2 9 3 1 a 37 1 19 3 1 0 37 1 6b 3 2 21 3 1 d 88 2 3b 88 3 2 88 \
        1 2f 3 1 31 93 f 3a 63 3 2 63 1 2d 7c 3 e 7c 2 1b 50 3 0 50 2 a 88 6 1e 3 2 1 3 7 49 3 2 1c 3 1 50 1f 1 3 37 \
        1 e 1f 3 19 1f 1 3 a 2 7 a 3 1 a 3 15 a 2 6 a 2 0 a 4 3 a 3 8 a 3 1 a 3 3 a 9 0 a 5 1 a 2 4 a 3 18 a 3 2 2e \
        2 5 2e 5 1 2e 3 15 2e 2 6 2e 2 1 2e 2 1 2e 2 1 2e 3 0 2e 2 4 2e 5 1 2e 3 2 2e 4 0 2e 8 3 2e 2 0 2e 8 10 2e \
        b 2 2c 2 8 2c 2 2 2c 2 15 2c 2 6 2c 2 1 2c 2 4 2c 3 9 2c 2 2 2c 2 2 2c 3 0 2c 10 3 2c 3 b 2c 8 6 2c 2 2 71 \
        2 7 71 3 1 71 3 15 71 2 6 71 2 1 71 2 4 71 3 8 71 3 1 71 3 2 71 8 2 71 5 1 71 2 4 71 3 11 71 b 1 8f 2 5 8f \
        4 2 8f 2 3 8f 4 1 8f 2 0 8f 2 1 8f 4 1 8f 4 2 8f 4 b 8f 5 4 8f 4 2 8f 2 3 8f 3 0 8f 7 0 8f f 14 8f 6 c 92 \
        2 2 92 2 16 92 2 f 92 3 8 92 2 2 92 2 3 92 8 1 92 2 2 92 3 0 92 3 3 92 3 9 92 8 8 92 1 c 3c 2 2 3c 2 16 3c \
        2 9 3c 2 4 3c 3 8 3c 2 2 3c 2 3 3c 8 1 3c 7 1 3c 2 3 3c 3 9 3c 2 1 3c e c 4f 2 2 4f 2 32 4f 2 2 4f 2 5 4f \
        5 f 4f 3 19 4f 2 2 82 2 11 82 4 17 82 2 8 82 2 0 82 3 6 82 4 0 82 5 5 82 2 0 82 2 7 82 7 9 82 3 2 82 d 39 94 \
        6 1b 94 26 1 44 2 0 44 2 4 44 2 17 44 2 0 44 2 16 44 3 4 44 2 0 44 2 5 44 3 9 44 3 3 44 21 47 95 2 23 95 \
        5 26 95 2 23 95 2 e 95 2 6 95 5 1 95 26 9f 5e 1 25 27 2 0 27 6 0 27 3 2a 27 2 3 27 1 ff 30 1 48 26 2 3 26 \
        3 6 26 2 0 26 2 3 26 3 28 26 2 3 26 3 20 26 2 3 26 3 6 26 2 0 26 2 3 26 3 e 26 2 38 26 2 3 26 3 42 26 3 1f 26 \
        4 19 26 7 55 16 3 5 16 3 27f 11 1 1c 66 4 4a 7b 4 a 7b 8 15 89 a 0 89 1 14 32 c 13 10 d c 8a 2 2 8a 2 1 8a \
        d 5d 41 3 9 41 7 9 41 7 1 5b 3 0 5b 2 13 5b 7 58 5b 8 2a 5b 6 45 11 b 1e 47 2 b 47 5 b 47 5 0 47 4 b 47 1 1d 8b \
        3 4 8b c 2b 61 5 19 61 7 a 61 4 1 61 1 1f 41 1 1b f 3 1 f 1 3e 8c 2 1c 8c 3 a 8c 7 9 8c 7 d 8c 3 1e 37 32 4c 6 \
        4 2e 6 2 3f 86 1 33 9 9 3 9 1 37 46 4 e 46 4 2 46 1 2f 67 1 8 1d 8 2a 27 3 2 27 1 7 86 9 2 37 2 c 37 2 6 37 \
        5 0 37 7 0 37 4 1 37 7 25 45 1 4 2b 1 0 1d 1 30 45 1 4 2b 1 3 45 1 4 2b 1 c 45 1 0 1d 1 45 45 1 0 2b 1 3f 37 \
        1 ff 45 1 15 2b 3 5 2b 3 25 2b 3 5 2b 3 7 2b 2 0 2b 2 0 2b 2 0 2b 2 1e 2b 3 34 2b 2 e 2b 2 d 2b 3 5 2b 2 12 2b \
        3 2 2b 2 8 2b e 1 37 64 0 45 e 0 45 11 c 45 34 20 37 36 0 2b 4 1 45 7 0 45 1c 0 45 12 28 45 678 ff e 301 5f 28 \
        1 1f 45 1 73 19 6 6 19 1 25 27 2 0 27 6 0 27 3 37 96 8 1 96 f 0 96 1 16 26 a 6 26 2 6 26 2 6 26 2 6 26 2 6 26 \
        2 6 26 2 6 26 2 6 26 2 1f 1d 81 19 2f 2 58 2f d d5 2f 30 0 2f 2 0 2f 1a 8 2f 1 3 37 1 1 30 9 3 2f 6 55 35 \
        3 1 37 3 2 35 2 59 3d 3 2 3d 6 2a c 2 5d 30 12 1f c 31 f 3d 1 1e 30 42 1e 30 52 2e 3d 2 57 3d a9 19bf 2f \
        41 51ff 2f 1 48c 9f 4 36 9f a 2f 4a 1 12b 9a 15 5f 1d 1 57 7 2b 65 45 4 3f 45 6 1 45 2 0 45 2 4 45 19 d 45 \
        1 2c 87 14 37 77 9 45 7d 9 b 7d 7 1f 1f 1 2d 3e 2 0 3e 1 23 7a c 0 7a 1 1c 30 4 4d 3a 3 9 3a 5 1 3a 1 1e 5e \
        2 36 15 a d 15 3 9 15 3 3 15 1 1f 5e 1 42 8d 19 4 8d 1 16 55 b 5 26 3 5 26 3 5 26 a 6 26 2 6 26 2 2a 45 2 8 45 \
        1 0 2b 1 3 45 7 4f 16 1 2d 55 3 9 55 7 2ba3 30 d 16 30 5 30 30 2105 16d 2f 3 69 2f 27 6 45 d 4 4 6 19 34 2 4 34 \
        2 0 34 2 1 34 2 1 34 2 9 34 1 72 3 11 16a 3 3 4f 3 3 35 3 8 0 3 21 f 3 1 f 37 11 d 37 1 1 1d 41 4 3 2 86 3 \
        25 19 45 7 19 45 c 9 3d 2 2c 3d 3 1e 30 4 5 30 3 5 30 3 5 30 3 2 30 24 b 49 2 19 49 2 12 49 2 1 49 2 e 49 \
        3 d 49 23 7a 49 46 4e 2b 12 0 2b 5d 0 37 83 1c 4b 4 30 12 10 0 37 20 23 69 a 2 69 1 1a 29 6 2a 6b 6 1d 99 \
        2 0 99 1 23 6c 5 d 6c 2b 4f 1e 1 2f 7f 1 1d 73 3 9 73 7 23 72 5 23 72 5 27 24 9 33 13 c 0 13 1 a 9b 2 e 9b \
        2 6 9b 2 1 9b 2 a 9b 2 e 9b 2 6 9b 2 1 9b 44 136 48 a 15 48 b 7 48 19 5 45 2 29 45 2 8 45 46 5 1b 3 0 1b \
        2 2b 1b 2 1 1b 4 0 1b 3 0 1b 1 15 36 2 8 36 1 1f 75 1 1e 5f 9 8 5f 31 12 33 2 1 33 6 4 33 1 1b 78 4 0 78 \
        1 19 4c 6 0 4c 41 1f 58 1 17 57 5 13 57 3 2d 57 1 3 3f 2 1 3f 6 7 3f 2 2 3f 2 1c 3f 3 2 3f 5 9 3f 8 8 3f \
        8 1f 6e 1 1f 6a 21 26 51 5 b 51 a 35 5 4 6 5 1 15 39 3 7 39 1 12 38 6 7 38 1 11 79 8 3 79 d 6 79 51 48 6f \
        38 32 68 e 32 68 8 5 68 1 27 31 9 9 31 127 1e 3 2 29 9e 2 2 9e 3 1 9e 4f 27 6d 9 29 83 17 19 70 27 1b 17 \
        15 16 25 a 4d d 5 23 d a 0 d 1 42 3b b 0 3b 3 18 84 8 9 84 7 34 14 2 11 14 9 26 4d a 5f 7e 2 13 82 c 11 42 \
        2 2b 42 42 6 5d 2 0 5d 2 3 5d 2 e 5d 2 a 5d 7 3a 43 6 9 43 7 3 2a 2 7 2a 3 1 2a 3 15 2a 2 6 2a 2 1 2a 2 4 2a \
        2 0 37 1 8 2a 3 1 2a 3 2 2a 3 0 2a 7 0 2a 6 6 2a 3 6 2a 4 4 2a 8c 5b 62 2 4 62 1f 47 97 9 9 97 a7 35 80 3 25 80 \
        23 44 5a c 9 5a 7 c 5b 14 39 8e 7 9 8e 37 1a 1 3 e 1 5 16 1 ba 3b 21 65 52 9d d 0 9d 1 6 20 3 0 20 3 7 20 \
        2 1 20 2 1d 20 2 1 20 3 b 20 a 9 20 47 7 60 3 2d 60 3 a 60 1c 47 a0 9 52 85 e f 11 1 38 76 108 8 b 2 2c b 2 d b \
        b 1c b 4 1f 52 3 15 52 2 d 52 4a 6 53 2 1 53 2 2b 53 4 0 53 2 1 53 2 8 53 9 9 53 7 5 2d 2 1 2d 2 24 2d 2 1 2d \
        2 5 2d 8 9 2d 137 18 4e b8 0 4a 10 31 8f e 0 8f 1 399 1a 67 6e 1a 2 4 1a c c3 1a a4d 62 1c e 42e 23 2 8 23 \
        fc8 246 2 21ba 238 7 8 1e 5c 2 9 5c 5 1 5c 1 4e 90 2 9 90 7 1d 8 3 5 8 b 45 74 b 9 74 2 6 74 2 14 74 6 12 74 \
        2b1 5a 54 66 4a 59 5 38 59 8 10 59 41 0 91 1 0 64 1 1 2f 1 0 40 c 1 2f f 17f7 91 9 2ff 91 1 1d5 40 2b 8 91 \
        22e8 3 3d 2 6 3d 2 1 3d 2 0 3d 1 11e 35 1 2 3d 2e 2 35 12 3 3d 9 18b 64 905 6a 22 6 c 22 4 8 22 8 9 22 3 3 22 \
        1261 2d 37 3 16 37 221 2 37 12 7 37 3 6 37 1f 3 37 53 45 2b 5bb 28b 81 10 4 81 2 e 81 451 1e 45 e2 6 28 2 10 28 \
        3 6 28 2 1 28 2 4 28 d6 2c 65 4 d 65 3 9 65 5 1 65 141 1e 98 12 39 9c 6 0 9c 4e1 6 26 2 3 26 2 1 26 2 e 26 \
        2 c4 56 3 f 56 2a 4b 0 5 9 0 5 1 0 4a1 3 3 2 1a 3 2 1 3 2 0 3 3 0 3 2 9 3 2 3 3 2 0 3 2 0 3 7 0 3 5 0 3 2 0 3 \
        2 0 3 2 2 3 2 1 3 2 0 3 3 0 3 2 0 3 2 0 3 2 0 3 2 0 3 2 1 3 2 0 3 3 3 3 2 6 3 2 3 3 2 3 3 2 0 3 2 9 3 2 10 3 \
        6 2 3 2 4 3 2 10 3 35 1 3 30f 0 35 e00 a6df 2f 21 1038 2f 8 dd 2f 3 1681 2f f 1d30 2f c20 21d 2f 5e3 134a 2f \
        aedb6 ef 37 
        """

    /// The first and last character of each run, and its script.
    private static let table: [(first: UInt32, last: UInt32, script: UInt8)] = {
        var table: [(first: UInt32, last: UInt32, script: UInt8)] = []
        var numbers: [UInt32] = []
        var number: UInt32 = 0
        var last: UInt32 = 0
        runs.withUTF8Buffer { text in
            for byte in text {
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"): number = number << 4 | UInt32(byte - 0x30)
                case UInt8(ascii: "a")...UInt8(ascii: "f"): number = number << 4 | UInt32(byte - 0x57)
                default:
                    numbers.append(number)
                    number = 0
                    if numbers.count == 3 {
                        let first = last + numbers[0]
                        last = first + numbers[1]
                        table.append((first, last, UInt8(truncatingIfNeeded: numbers[2])))
                        numbers.removeAll(keepingCapacity: true)
                    }
                }
            }
        }
        return table
    }()

    /// The number of a character's script; O(log runs).
    static func script(_ scalar: UInt32) -> UInt8 {
        var low = 0
        var high = table.count
        while low < high {
            let middle = (low + high) / 2
            if table[middle].last < scalar { low = middle + 1 } else { high = middle }
        }
        guard low < table.count, table[low].first <= scalar else { return common }
        return table[low].script
    }
}
