import ArgumentParser
import HeedSupport

/// What a command says of itself: its options and subcommands, from the parser's own description.
struct CommandDescription {
    /// An option, a flag or an argument.
    struct Argument {
        enum Kind: String { case positional, option, flag }

        let kind: Kind
        /// The names as typed, the one to call it by first: `--input`, `-i`.
        let names: [String]
        /// What the value is called; for an argument its name.
        let valueName: String
        /// What the help says.
        let abstract: String
        let discussion: String
        let defaultValue: String?
        let choices: [String]
        let isOptional: Bool
        /// Whether it takes several values.
        let isRepeating: Bool
        let isShown: Bool

        fileprivate init?(_ value: JSON) {
            guard let kind = value["kind"]?.stringValue.flatMap(Kind.init) else { return nil }
            self.kind = kind
            func spelled(_ name: JSON) -> String? {
                guard let text = name["name"]?.stringValue else { return nil }
                return name["kind"]?.stringValue == "long" ? "--" + text : "-" + text
            }
            let all = (value["names"]?.arrayValue ?? []).compactMap(spelled)
            let first = value["preferredName"].flatMap(spelled).map { [$0] } ?? []
            names = first + all.filter { !first.contains($0) }
            valueName = value["valueName"]?.stringValue ?? ""
            abstract = value["abstract"]?.stringValue ?? ""
            discussion = value["discussion"]?.stringValue ?? ""
            defaultValue = value["defaultValue"]?.stringValue
            choices = (value["allValues"]?.arrayValue ?? value["allValueStrings"]?.arrayValue ?? [])
                .compactMap(\.stringValue)
            isOptional = value["isOptional"]?.boolValue ?? true
            isRepeating = value["isRepeating"]?.boolValue ?? false
            isShown = value["shouldDisplay"]?.boolValue ?? true
        }
    }

    let name: String
    let abstract: String
    let discussion: String
    let arguments: [Argument]
    let subcommands: [CommandDescription]

    /// The description of a command and all below it.
    ///
    /// - Throws: `HeedError` when the parser describes itself in an unknown form.
    init(of command: any ParsableCommand.Type) throws {
        let document = try JSON.parse(command._dumpHelp(), in: "the parser's description")
        guard let value = document["command"] else {
            throw HeedError(.unsupported, "the parser describes itself in an unknown form", in: command._commandName)
        }
        self.init(value)
    }

    private init(_ value: JSON) {
        name = value["commandName"]?.stringValue ?? ""
        abstract = value["abstract"]?.stringValue ?? ""
        discussion = value["discussion"]?.stringValue ?? ""
        arguments = (value["arguments"]?.arrayValue ?? []).compactMap(Argument.init)
        subcommands = (value["subcommands"]?.arrayValue ?? []).map(CommandDescription.init)
            .filter { $0.name != "help" }
    }

    /// The argument that has a name.
    func argument(named name: String) -> Argument? { arguments.first { $0.names.contains(name) } }
}
