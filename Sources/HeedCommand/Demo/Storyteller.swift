import Heed

/// Writes short stories from a small grammar, so that the demo has a text of its own to learn from.
///
/// A story names who, what, which colour and where, and comes back to them: to continue it, a model must look back.
/// Each story depends on `seed` and its number only.
struct Storyteller {
    private let random: RandomSource
    private var drawn: UInt64 = 0

    private init(seed: UInt64, story: Int) {
        random = RandomSource(seed: seed, purpose: .stories, step: UInt32(truncatingIfNeeded: story))
    }

    /// Returns `count` stories, one paragraph each, divided by blank lines.
    static func text(stories count: Int, seed: UInt64) -> String {
        (0..<count).map { number in
            var teller = Storyteller(seed: seed, story: number)
            return teller.story()
        }.joined(separator: "\n\n") + "\n"
    }

    private mutating func pick<Element>(_ choices: [Element]) -> Element {
        drawn += 1
        return choices[Int(random.unit(drawn) * Double(choices.count))]
    }

    private static let girls = ["Mia", "Ada", "Lena", "Nora", "Ruth", "Vera"]
    private static let boys = ["Tom", "Ben", "Emil", "Jonas", "Karl", "Otto"]
    private static let animals = ["cat", "dog", "fox", "owl", "hare", "goat", "duck", "mouse"]
    private static let colours = ["red", "blue", "green", "yellow", "white", "black", "brown"]
    private static let things = ["kite", "ball", "boat", "lamp", "drum", "hat", "cup", "book", "bell", "box"]
    private static let places = ["garden", "forest", "kitchen", "harbour", "barn", "meadow", "market", "attic"]
    private static let weathers = ["sunny", "rainy", "windy", "cold", "warm", "quiet"]
    private static let times = ["One morning", "One evening", "On a Sunday", "After lunch", "Before school", "At noon"]

    private mutating func story() -> String {
        let isGirl = pick([true, false])
        let name = pick(isGirl ? Storyteller.girls : Storyteller.boys)
        let (he, his) = isGirl ? ("she", "her") : ("he", "his")
        let colour = pick(Storyteller.colours)
        let thing = pick(Storyteller.things)
        let place = pick(Storyteller.places)
        let animal = pick(Storyteller.animals)
        let weather = pick(Storyteller.weathers)
        let time = pick(Storyteller.times)
        let object = "\(colour) \(thing)"

        let opening = pick([
            "\(name) had a \(object).", "There was once a child called \(name) who had a \(object).",
            "\(name) found a \(object) in the \(place).", "\(name) got a \(object) as a present.",
        ])
        let middle = pick([
            "\(time) \(he) took the \(object) to the \(place). It was a \(weather) day.",
            "It was \(weather), so \(name) played with the \(thing) in the \(place).",
            "\(time) \(name) went to the \(place) with \(his) \(object).",
        ])
        let meeting = pick([
            "There \(he) met a \(animal).", "A \(animal) came and looked at the \(thing).",
            "A small \(animal) sat beside the \(thing) and waited.",
        ])
        let question = pick([
            "\"Is this your \(thing)?\" asked the \(animal). \"Yes,\" said \(name), \"the \(object) is mine.\"",
            "\"What a fine \(object)!\" said the \(animal). \"May I hold it?\" \(name) gave the \(thing) to the \(animal).",
            "\"I have lost my \(thing),\" said the \(animal). \(name) was kind and gave the \(animal) the \(object).",
            "The \(animal) took the \(thing) and ran. \(name) ran after the \(animal) and laughed.",
        ])
        let ending = pick([
            "In the end \(name) and the \(animal) were friends, and they kept the \(object) in the \(place).",
            "Then \(name) went home, and the \(animal) went with \(isGirl ? "her" : "him").",
            "From that day on the \(animal) came to the \(place) every day to see \(name) and the \(object).",
            "\(name) put the \(object) back in its place and told \(his) mother about the \(animal).",
        ])
        return [opening, middle, meeting, question, ending].joined(separator: " ")
    }
}
