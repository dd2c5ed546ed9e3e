import HeedSupport

/// Something that a value can be asked to do: `text.strip()`.
typealias Method = @Sendable (Renderer, Value, Arguments) throws -> Value

extension Renderer {
    /// `owner.name`: the attribute, or the item of that name, or undefined.
    func attribute(_ owner: Value, _ key: Value, _ name: String) throws -> Value {
        if case .undefined(let undefined) = owner { throw undefined.failure }
        if let value = try ownAttribute(owner, name) { return value }
        switch owner {
        case .dictionary(let dictionary):
            if let value = try dictionary.value(of: key, meter) { return value }
        case .object(let object):
            if let value = try object.item(key, self) { return value }
        default: break
        }
        return .undefined(Undefined(owner: owner, key: key))
    }

    /// `owner[key]`: the item, or the attribute of that name, or undefined.
    func item(_ owner: Value, _ key: Value) throws -> Value {
        switch owner {
        case .undefined(let undefined): throw undefined.failure
        case .dictionary(let dictionary):
            // What cannot be a key is not there either.
            if case .list = key { break }
            if case .dictionary = key { break }
            if let value = try dictionary.value(of: key, meter) { return value }
        case .list(let list), .tuple(let list):
            if let index = key.index, let place = placed(index, in: list.elements.count) { return list.elements[place] }
        case .string(let text):
            if let index = key.index, let place = placed(index, in: text.count) {
                let start = text.offset(of: place)
                let character = Array(text.bytes[start..<start + scalarLength(text.bytes[start])])
                return .string(Text(character, count: 1, isMarkup: text.isMarkup, meter: meter))
            }
        case .object(let object):
            if let value = try object.item(key, self) { return value }
        default: break
        }
        if case .string(let name) = key, let value = try ownAttribute(owner, name.string) { return value }
        return .undefined(Undefined(owner: owner, key: key))
    }

    /// The place that an index of Python names, or nil outside.
    func placed(_ index: Int128, in count: Int) -> Int? {
        let place = index < 0 ? index + Int128(count) : index
        return place >= 0 && place < Int128(count) ? Int(place) : nil
    }

    /// The attribute that a value has by its type.
    private func ownAttribute(_ owner: Value, _ name: String) throws -> Value? {
        if name.utf8.first == UInt8(ascii: "_") {
            guard Methods.hidden.contains(name) else { return nil }
            return unsafe(owner, name)
        }
        let methods: [String: Method]
        switch owner {
        case .string: methods = Methods.string
        case .dictionary:
            methods = Methods.dictionary
            if Methods.changingDictionary.contains(name) { return unsafe(owner, name) }
        case .list:
            methods = Methods.sequence
            if name == "copy" { return bound(owner, name, Methods.copyList) }
            if Methods.changingList.contains(name) { return unsafe(owner, name) }
        case .tuple(let tuple):
            methods = Methods.sequence
            if let group = tuple as? GroupObject {
                if name == "grouper" { return group.grouper }
                if name == "list" { return group.members }
            }
        case .integer, .bool, .float:
            if let value = numberAttribute(owner, name) { return value }
            methods = Methods.number
        case .object(let object): return try object.attribute(name, self)
        case .none, .undefined: return nil
        }
        return methods[name].map { bound(owner, name, $0) }
    }

    /// The method of a plain value under that name, to call it at once.
    func method(of owner: Value, _ name: String) -> Method? {
        switch owner {
        case .string: Methods.string[name]
        case .dictionary: Methods.dictionary[name]
        case .list, .tuple: Methods.sequence[name]
        default: nil
        }
    }

    private func bound(_ owner: Value, _ name: String, _ method: @escaping Method) -> Value {
        .object(FunctionObject(name, holds: owner) { try method($0, owner, $1) })
    }

    private func unsafe(_ owner: Value, _ name: String) -> Value {
        .undefined(
            Undefined(
                hint: "the attribute \(quoted(name)) of a \(owner.ownerName) is closed to templates", isUnsafe: true))
    }

    /// `owner[start:stop:step]`
    func slice(_ owner: Value, _ start: Value?, _ stop: Value?, _ step: Value?) throws -> Value {
        if case .undefined(let undefined) = owner { throw undefined.failure }
        func bound(_ value: Value?) throws -> Int128? {
            guard let value, !value.isNone else { return nil }
            guard let index = value.index else {
                throw HeedError(.badInput, "the bounds of a slice must be integers", got: "a \(value.typeName)")
            }
            return index
        }
        let (first, last, step) = (try bound(start), try bound(stop), try bound(step) ?? 1)
        if step == 0 { throw HeedError(.badInput, "the step of a slice must not be 0") }
        switch owner {
        case .string(let text):
            let places = slicePlaces(first, last, step, text.count)
            if step == 1 {
                let (low, high) = (places.first ?? 0, places.last.map { $0 + 1 } ?? 0)
                guard high > low else { return text.isMarkup ? .string(markup([])) : .string(Text.empty) }
                let (start, end) = (text.offset(of: low), text.offset(of: high))
                try meter.copy(end - start)
                return .string(
                    Text(Array(text.bytes[start..<end]), count: high - low, isMarkup: text.isMarkup, meter: meter))
            }
            try meter.work(places.count)
            let scalars = text.scalars
            return try string(places.map { scalars[$0] }, like: text)
        case .list(let list):
            return try self.list(slicePlaces(first, last, step, list.elements.count).map { list.elements[$0] })
        case .tuple(let list):
            return try tuple(slicePlaces(first, last, step, list.elements.count).map { list.elements[$0] })
        case .object(let range as RangeObject):
            return .object(try range.slice(slicePlaces(first, last, step, range.count)))
        default: throw HeedError(.badInput, "a \(owner.typeName) cannot be sliced")
        }
    }
}

/// Evenly spaced places.
struct Places: Sequence {
    let start: Int
    /// The first place beyond.
    let stop: Int
    let step: Int
    let count: Int

    var first: Int? { count > 0 ? start : nil }
    var last: Int? { count > 0 ? start + (count - 1) * step : nil }

    func makeIterator() -> AnyIterator<Int> {
        var left = count
        var place = start
        return AnyIterator {
            guard left > 0 else { return nil }
            defer {
                left -= 1
                place &+= step
            }
            return place
        }
    }
}

/// The places that a slice names, as Python's `slice.indices` does.
func slicePlaces(_ start: Int128?, _ stop: Int128?, _ step: Int128, _ count: Int) -> Places {
    let length = Int128(count)
    func clamped(_ bound: Int128?, _ standard: Int128, _ low: Int128, _ high: Int128) -> Int {
        guard var bound else { return Int(standard) }
        if bound < 0 { bound = Swift.max(bound, -length - 1) + length }
        return Int(Swift.min(Swift.max(bound, low), high))
    }
    let by = Int(Swift.min(Swift.max(step, -length - 1), length + 1))
    if step > 0 {
        let (low, high) = (clamped(start, 0, 0, length), clamped(stop, length, 0, length))
        return Places(start: low, stop: high, step: by, count: high > low ? (high - low - 1) / by + 1 : 0)
    }
    let (high, low) = (clamped(start, length - 1, -1, length - 1), clamped(stop, -1, -1, length - 1))
    return Places(start: high, stop: low, step: by, count: high > low ? (high - low - 1) / -by + 1 : 0)
}
