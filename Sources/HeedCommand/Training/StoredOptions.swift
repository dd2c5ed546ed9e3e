import ArgumentParser
import HeedSupport

/// The options that a run was started with, kept beside its state so that `--resume` alone goes on.
///
/// `DIR/training/options.json` holds every option that was given, and those that were chosen for the user, with paths
/// from the root. Options that change nothing of the result are kept too, so that the log goes on.
struct StoredOptions {
    /// An option with its values as they were typed; a flag has none.
    struct Entry: Equatable {
        let name: String
        var values: [String]
    }

    /// The options in order, each once.
    private(set) var entries: [Entry]
    private let command: CommandDescription

    /// Options that are of one start only.
    private static let passing: Set<String> = [
        "--resume", "--overwrite", "--threads", "--quiet", "--instruction-set", "--output",
    ]
    /// Options that a resumed run may have otherwise: they change nothing of the steps that are done.
    private static let free: Set<String> = [
        "--steps", "--epochs", "--save-every", "--evaluate-every", "--average", "--keep-last", "--keep-best",
        "--log-layers",
        "--log", "--tensorboard", "--validation",
        "--validation-source", "--validation-target",
    ]
    /// Options whose values are compared by what they lead to, not as text.
    private static let paths: Set<String> = [
        "--data", "--source", "--target", "--tokenizer", "--init", "--config", "--log", "--tensorboard", "--validation",
        "--validation-source", "--validation-target", "--adapter", "--teacher",
    ]
    /// Options of which one at most may be given: a new one replaces the other.
    private static let alternatives: [[String]] = [
        ["--steps", "--epochs"], ["--init", "--preset", "--config"], ["--tokenizer", "--tokenizer-kind"],
    ]

    /// The options among the words of a command line.
    init(_ words: [String], of command: CommandDescription) {
        self.command = command
        entries = []
        var current: String?
        for word in words {
            if word.hasPrefix("-"), word.count > 1, !CommandLineWords.isNegativeNumber(word) {
                let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                guard let argument = command.argument(named: String(parts[0])), let name = argument.names.first else {
                    current = nil
                    continue
                }
                set(name, parts.count > 1 ? [String(parts[1])] : [])
                current = argument.kind == .flag || (parts.count > 1 && !argument.isRepeating) ? nil : name
            } else if let name = current {
                append(word, to: name)
                if command.argument(named: name)?.isRepeating != true { current = nil }
            }
        }
    }

    /// The options of a file, and in their place those that are given here; the file itself is none.
    func behind(_ file: RunConfiguration) -> StoredOptions {
        var all = self
        all.entries = file.options.map { Entry(name: $0.name, values: $0.values) }
        for entry in entries where entry.name != "--config" { all.replace(with: entry) }
        return all
    }

    /// Gives an option its values, and removes those that may not stand beside it.
    private mutating func replace(with entry: Entry) {
        for group in StoredOptions.alternatives where group.contains(entry.name) {
            entries.removeAll { group.contains($0.name) && $0.name != entry.name }
        }
        set(entry.name, entry.values)
    }

    /// What a folder's run was started with, or nil where it holds none.
    ///
    /// - Throws: `HeedError` when the file is damaged.
    init?(folder: String, of command: CommandDescription) throws {
        let path = StoredOptions.path(in: folder)
        guard fileExists(path) else { return nil }
        guard let members = try JSON.load(path: path)["options"]?.objectValue else {
            throw HeedError(.badInput, "the file holds no options of a run", in: path, expected: "a member \"options\"")
        }
        self.command = command
        entries = members.map { name, value in
            Entry(name: name, values: (value.arrayValue ?? []).compactMap(\.stringValue))
        }
    }

    private static func path(in folder: String) -> String { joinPath(folder, "training/options.json") }

    /// The values of an option, or nil where it was not given.
    subscript(name: String) -> [String]? { entries.first { $0.name == name }?.values }

    /// Gives an option its values.
    mutating func set(_ name: String, _ values: [String]) {
        if let index = entries.firstIndex(where: { $0.name == name }) {
            entries[index].values = values
        } else {
            entries.append(Entry(name: name, values: values))
        }
    }

    private mutating func append(_ value: String, to name: String) {
        guard let index = entries.firstIndex(where: { $0.name == name }) else { return }
        entries[index].values.append(value)
    }

    /// The options as words of a command line.
    var words: [String] { entries.flatMap { [$0.name] + $0.values } }

    /// Writes what a resumed run needs, by rename.
    func write(folder: String) throws {
        var members = JSONObject()
        for entry in entries where !StoredOptions.passing.contains(entry.name) {
            let isPath = StoredOptions.paths.contains(entry.name)
            // A fraction for --validation is no path.
            members[entry.name] = .array(
                entry.values.map { .string(isPath && Double($0) == nil ? absolutePath($0) : $0) })
        }
        try createDirectory(joinPath(folder, "training"))
        try writeAtomically(
            path: StoredOptions.path(in: folder),
            text: JSON.object(["options": .object(members)]).serialised(pretty: true))
    }

    /// These options, and behind them what `given` says otherwise.
    ///
    /// - Throws: `HeedError` (`usage`) naming, as it was given, an option that may not differ.
    func completed(by given: StoredOptions, in folder: String) throws -> StoredOptions {
        for entry in given.entries where !isFree(entry.name) {
            let before = self[entry.name] ?? command.argument(named: entry.name)?.defaultValue.map { [$0] } ?? []
            guard !StoredOptions.isSame(entry.values, before), !isSameBatch(entry.name, given) else { continue }
            func shown(_ values: [String]) -> String {
                values.isEmpty ? "none" : values.joined(separator: " ")
            }
            throw HeedError(
                .usage, "\(entry.name) differs from the run that is resumed", in: folder,
                expected: "\(entry.name) \(shown(before)), as it began", got: shown(entry.values),
                advice: "Leave it out to resume, or start anew with --overwrite or another --output")
        }
        var all = self
        for entry in given.entries { all.replace(with: entry) }
        return all
    }

    private func isFree(_ name: String) -> Bool {
        StoredOptions.passing.contains(name) || StoredOptions.free.contains(name)
            || StoredOptions.paths.contains(name)
    }

    /// Whether two lists of values mean the same: equal texts, or equal numbers.
    private static func isSame(_ one: [String], _ other: [String]) -> Bool {
        one.count == other.count
            && zip(one, other).allSatisfy { left, right in
                left == right || (Double(left) != nil && Double(left) == Double(right))
            }
    }

    /// Whether batch × accumulate is what it was: how a step is cut changes no bit.
    private func isSameBatch(_ name: String, _ given: StoredOptions) -> Bool {
        guard name == "--batch" || name == "--accumulate" else { return false }
        func product(_ value: (String) -> [String]?) -> Int? {
            var product = 1
            for name in ["--batch", "--accumulate"] {
                let text = value(name)?.first ?? command.argument(named: name)?.defaultValue
                guard let number = text.flatMap({ Int($0) }) else { return nil }
                let (next, overflow) = product.multipliedReportingOverflow(by: number)
                if overflow { return nil }
                product = next
            }
            return product
        }
        guard let now = product({ given[$0] ?? self[$0] }), let before = product({ self[$0] }) else { return false }
        return now == before
    }
}
