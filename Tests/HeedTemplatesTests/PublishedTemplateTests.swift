import HeedSupport
import HeedTemplates
import TestFixtures
import Testing

/// The chat templates of published models, with the texts that transformers makes of conversations.
@Suite("chat templates of published models", .enabled(if: Shared.isThere))
struct PublishedTemplateTests {
    static let folder = Shared.path("data", "chat-templates")

    static let names: [String] = {
        guard Shared.isThere, let files = try? listDirectory(joinPath(folder, "templates")) else { return [] }
        return files.filter { $0.hasSuffix(".jinja") }.map { String($0.dropLast(6)) }
    }()

    @Test("every conversation gives the text of transformers", arguments: names)
    func conversations(name: String) throws {
        let golden = try JSON.load(path: joinPath(PublishedTemplateTests.folder, "chat.json"))
        let template = try ChatTemplate(path: joinPath(PublishedTemplateTests.folder, "templates/\(name).jinja"))
        let now = CalendarTime("2026-03-09T14:05:06")
        var count = 0
        for entry in golden["renderings"]?.arrayValue ?? [] where entry["template"]?.stringValue == name {
            let label = try #require(entry["case"]?.stringValue)
            var variables = try TemplateVariables(try #require(golden["cases"]?[label]?.objectValue))
            let tokens = try #require(golden["tokens"]?.objectValue)
            try variables.setStandardVariables(
                specialTokens: tokens.map { ($0.key, $0.value.stringValue ?? "") })
            if let expected = entry["text"]?.stringValue {
                let text = try template.render(variables, now: now)
                #expect(text.utf8.elementsEqual(expected.utf8), "\(label)")
            } else {
                #expect(throws: HeedError.self, "\(label)") { try template.render(variables, now: now) }
            }
            count += 1
        }
        #expect(count > 0)
    }
}
