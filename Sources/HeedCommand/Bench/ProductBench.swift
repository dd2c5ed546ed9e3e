import Heed
import HeedProcessor

/// The matrix products of GPT-2's layers in all forms and for many numbers of rows.
struct ProductBench {
    private let runtime: Runtime
    private let precision: Precision

    init(_ runtime: Runtime, _ precision: Precision) {
        self.runtime = runtime
        self.precision = precision
    }

    private static let shapes = [(768, 3072), (3072, 768), (768, 768)]
    private static let rowCounts = [1, 4, 16, 64, 256, 1024]

    func run(seconds: Double) throws -> [JSON] {
        let forms = ProductProbe.Form.allCases
        let each = seconds / Double(forms.count * ProductBench.shapes.count * ProductBench.rowCounts.count)
        var results: [JSON] = []
        for form in forms {
            for (width, out) in ProductBench.shapes {
                for rows in ProductBench.rowCounts {
                    let probe = try ProductProbe(
                        form, rows: rows, in: width, out: out, precision: precision, runtime: runtime)
                    let timings = Timings(budget: each, least: 5, most: 100_000) { probe.run() }
                    let operations = 2 * Double(rows) * Double(width) * Double(out)
                    results.append([
                        "form": .string(form.rawValue), "rows": .integer(rows), "in": .integer(width),
                        "out": .integer(out), "gflops": .number(rounded(operations / timings.median / 1e9)),
                        "microseconds": .number(rounded(timings.median * 1e6)),
                    ])
                }
            }
        }
        return results
    }
}
