import HeedSupport

extension GradientSurvey {
    /// The checks for programs.
    public var json: JSON {
        [
            "seed": .integer(Int(clamping: seed)), "checks": .integer(checks.count),
            "disagreements": .integer(checks.count { !$0.agrees }),
            "models": .array(
                parts.map { part in
                    [
                        "name": .string(part.name),
                        "checks": .array(
                            part.checks.map { check in
                                [
                                    "kind": .string(check.kind.rawValue), "path": .string(check.path),
                                    "operation": .string(check.operation), "formula": .string(check.formula),
                                    "gradient_formula": .string(check.gradientFormula),
                                    "shape": .array(check.shape.map { .integer($0) }), "size": .number(check.size),
                                    "by_gradient": .number(check.byGradient),
                                    "by_differences": .number(check.byDifferences), "error": .number(check.error),
                                    "agrees": .bool(check.agrees),
                                ]
                            }),
                    ]
                }),
        ]
    }

    /// The worst error of each operation, in the order in which they first come.
    public var operations: [(name: String, formula: String, gradientFormula: String, checks: Int, worst: Double)] {
        var result: [(name: String, formula: String, gradientFormula: String, checks: Int, worst: Double)] = []
        for check in checks {
            if let index = result.firstIndex(where: { $0.name == check.operation }) {
                result[index].checks += 1
                result[index].worst = max(result[index].worst, check.error)
            } else {
                result.append((check.operation, check.formula, check.gradientFormula, 1, check.error))
            }
        }
        return result
    }
}

extension Page {
    /// Every check with formula, derivative and error.
    public init(_ survey: GradientSurvey) {
        let off = survey.checks.count { !$0.agrees }
        self.init(
            title: "Gradients beside central differences",
            subtitle: "\(survey.checks.count) checks, seed \(survey.seed): "
                + (off == 0 ? "all agree" : "\(off) disagree"),
            data: survey.json, script: PackageResources.check_js)
    }
}
