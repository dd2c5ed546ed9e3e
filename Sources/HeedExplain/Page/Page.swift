import HeedSupport

/// A page that needs nothing but itself: data, style and scripts in one HTML file, no address outside.
public struct Page: Sendable {
    /// The title.
    public var title: String
    /// A line below it.
    public var subtitle: String
    /// What the scripts read.
    public var data: JSON
    /// The script that shows the data, after the common one.
    let script: [UInt8]

    /// The page as a file.
    public var html: [UInt8] {
        let safety = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
        var page = """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta http-equiv="Content-Security-Policy" content="\(safety)">
            <link rel="icon" href="data:,">
            <title>\(Page.escaped(title))</title>
            <style>

            """.utf8.map { $0 }
        page += PackageResources.page_css
        page += Array(
            """
            </style>
            </head>
            <body>
            <header>
            <h1>\(Page.escaped(title))</h1>
            <p class="quiet">\(Page.escaped(subtitle))
            <button id="scheme" type="button">light or dark</button></p>
            </header>
            <nav aria-label="Sections"><div id="sections"></div></nav>
            <main id="content"></main>
            <footer><p class="quiet">Made by heed. This file is whole: it asks for nothing outside itself.</p></footer>
            <script type="application/json" id="data">
            """.utf8)
        // Within JSON a < stands in strings only; as an escape it can end no element.
        for byte in data.serialisedBytes(pretty: false) {
            if byte == UInt8(ascii: "<") { page += Array("\\u003c".utf8) } else { page.append(byte) }
        }
        page += Array("</script>\n<script>\n".utf8)
        page += PackageResources.common_js
        page += script
        page += Array("</script>\n</body>\n</html>\n".utf8)
        return page
    }

    static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
            .replacing("\"", with: "&quot;")
    }
}

/// Base64 (RFC 4648) of numbers in little-endian order.
func base64(_ bytes: UnsafeRawBufferPointer) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    return String(unsafeUninitializedCapacity: (bytes.count + 2) / 3 * 4) { target in
        var next = 0
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let left = bytes.count - start
            let word =
                UInt32(bytes[start]) << 16 | (left > 1 ? UInt32(bytes[start + 1]) << 8 : 0)
                | (left > 2 ? UInt32(bytes[start + 2]) : 0)
            target[next] = alphabet[Int(word >> 18)]
            target[next + 1] = alphabet[Int(word >> 12 & 63)]
            target[next + 2] = left > 1 ? alphabet[Int(word >> 6 & 63)] : UInt8(ascii: "=")
            target[next + 3] = left > 2 ? alphabet[Int(word & 63)] : UInt8(ascii: "=")
            next += 4
        }
        return next
    }
}

func base64<Number: FixedWidthInteger>(_ numbers: [Number]) -> String {
    numbers.map(\.littleEndian).withUnsafeBytes { base64($0) }
}

func base64(_ numbers: [Float]) -> String { base64(numbers.map(\.bitPattern)) }
