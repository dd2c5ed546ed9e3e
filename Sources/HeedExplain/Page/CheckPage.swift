import HeedSupport

extension GradientCheck {
    /// The check for programs.
    public var json: JSON {
        [
            "kind": .string(kind.rawValue), "path": .string(path), "operation": .string(operation),
            "formula": .string(formula), "gradient_formula": .string(gradientFormula),
            "shape": .array(shape.map { .integer($0) }), "size": .number(size), "by_gradient": .number(byGradient),
            "by_differences": .number(byDifferences), "error": .number(error), "agrees": .bool(agrees),
        ]
    }
}

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
                        "checks": .array(part.checks.map(\.json)),
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
