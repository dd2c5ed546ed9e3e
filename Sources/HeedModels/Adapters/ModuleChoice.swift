import HeedSupport
import HeedWeights

/// Which modules of a model an adapter is on, as `target_modules` and `exclude_modules` say it.
public enum ModuleChoice: Sendable {
    /// Modules of these names, whole or behind a dot.
    case names([String])
    /// Modules whose whole name matches.
    case expression(NamePattern)
    /// Every linear layer but those that make logits.
    case allLinear

    /// Reads a list of names or a text: `all-linear`, or a regular expression. Nil where the key is absent or null.
    init?(_ reader: ConfigurationReader, _ key: String) throws {
        guard let value = reader.value(key), !value.isNull else { return nil }
        guard let text = value.stringValue else {
            self = .names(try reader.strings(key))
            return
        }
        self = text == "all-linear" ? .allLinear : .expression(try NamePattern(text, in: reader.file + ", " + key))
    }

    /// Whether it is `module`; `isHead`: whether the module makes logits.
    func contains(_ module: String, isHead: Bool) -> Bool {
        switch self {
        case .names(let names): names.contains { module == $0 || module.hasSuffix("." + $0) }
        case .expression(let pattern): pattern.matches(module)
        case .allLinear: !isHead
        }
    }

    /// What a file says.
    var json: JSON {
        switch self {
        case .names(let names): .array(names.map { .string($0) })
        case .expression(let pattern): .string(pattern.source)
        case .allLinear: "all-linear"
        }
    }
}
