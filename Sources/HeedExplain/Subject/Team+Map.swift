import HeedProcessor

extension Team {
    /// Calls `make` with 0 ..< `count`, each on one of the threads, and returns what it made in order.
    ///
    /// Calls run at the same time and must not share anything that they change, nor use the team themselves.
    func map<Value>(_ count: Int, _ make: (Int) -> Value) -> [Value] {
        withoutActuallyEscaping(make) { make in
            let work = MappedWork(count: count, make)
            share(work)
            return work.made
        }
    }

    /// The same where `make` may fail: throws what the first call in order threw.
    func map<Value>(_ count: Int, throwing make: (Int) throws -> Value) throws -> [Value] {
        try map(count) { index in Result { try make(index) } }.map { try $0.get() }
    }
}

private final class MappedWork<Value>: TeamWork {
    private let values: UnsafeMutableBufferPointer<Value?>
    private let make: (Int) -> Value

    init(count: Int, _ make: @escaping (Int) -> Value) {
        values = .allocate(capacity: count)
        values.initialize(repeating: nil)
        self.make = make
    }

    deinit { values.deinitialize().deallocate() }

    /// What was made, in order.
    var made: [Value] { values.compactMap { $0 } }

    func run(part: Int, of parts: Int) {
        for index in stride(from: part, to: values.count, by: parts) { values[index] = make(index) }
    }
}
