import HeedSupport

/// The names of modules and functions that a file of tensors may use. Each is known here by what it means; nothing of
/// Python is looked up or run.
enum PickleGlobal: Equatable, CustomStringConvertible {
    case orderedDictionary
    /// `_rebuild_tensor` and `_rebuild_tensor_v2`: storage, offset, extents, strides, …
    case tensor
    /// `_rebuild_tensor_v3`: the same, with the element type at place 6.
    case typedTensor
    /// `_rebuild_parameter`: a tensor and whether it is trained.
    case parameter
    case size
    case device
    /// A storage class of PyTorch, or a `dtype`.
    case storage(ElementType)
    case elements(ElementType)
    /// Bytes without a type, which `_rebuild_tensor_v3` gives one.
    case untypedStorage

    var description: String {
        switch self {
        case .orderedDictionary: "OrderedDict"
        case .tensor, .typedTensor: "_rebuild_tensor"
        case .parameter: "_rebuild_parameter"
        case .size: "torch.Size"
        case .device: "torch.device"
        case .storage(let type): "the storage class of \(type.rawValue)"
        case .elements(let type): "the element type \(type.rawValue)"
        case .untypedStorage: "UntypedStorage"
        }
    }

    private static let storages: [String: ElementType] = [
        "DoubleStorage": .f64, "FloatStorage": .f32, "HalfStorage": .f16, "BFloat16Storage": .bf16,
        "LongStorage": .i64, "IntStorage": .i32, "ShortStorage": .i16, "CharStorage": .i8, "ByteStorage": .u8,
        "BoolStorage": .bool,
    ]

    private static let elements: [String: ElementType] = [
        "float64": .f64, "float32": .f32, "float16": .f16, "bfloat16": .bf16, "float8_e4m3fn": .f8e4m3,
        "float8_e5m2": .f8e5m2, "int64": .i64, "int32": .i32, "int16": .i16, "int8": .i8, "uint64": .u64,
        "uint32": .u32, "uint16": .u16, "uint8": .u8, "bool": .bool,
    ]

    /// The meaning of a name.
    ///
    /// - Throws: `HeedError` naming every other: what it would run is not known, so it is not read.
    init(module: String, name: String, file: String) throws {
        switch (module, name) {
        case ("collections", "OrderedDict"): self = .orderedDictionary
        case ("torch._utils", "_rebuild_tensor"), ("torch._utils", "_rebuild_tensor_v2"): self = .tensor
        case ("torch._utils", "_rebuild_tensor_v3"): self = .typedTensor
        case ("torch._utils", "_rebuild_parameter"), ("torch._utils", "_rebuild_parameter_with_state"):
            self = .parameter
        case ("torch", "Size"): self = .size
        case ("torch", "device"): self = .device
        case ("torch.storage", "UntypedStorage"), ("torch", "UntypedStorage"): self = .untypedStorage
        default:
            if module == "torch" || module == "torch.cuda", let type = PickleGlobal.storages[name] {
                self = .storage(type)
            } else if module == "torch", let type = PickleGlobal.elements[name] {
                self = .elements(type)
            } else {
                throw HeedError(
                    .unsupported, "the pickle asks for \(quoted("\(module).\(name)", limit: 120)), which is not run",
                    in: file, expected: "nothing but tensors and dictionaries of them",
                    advice: "If you trust the file, load it with PyTorch and save its weights as safetensors")
            }
        }
    }
}

/// Bytes that tensors of a pickle share.
struct PickleStorage {
    /// The name under which the file has them.
    let key: String
    /// The type of the elements, or nil where the tensors say.
    let type: ElementType?
    /// The number of elements; of bytes without a type.
    let count: Int
}

/// A tensor of a pickle: a view of a storage.
struct PickleTensor {
    let storage: Int
    let type: ElementType
    let offset: Int
    let shape: [Int]
    let strides: [Int]
}

extension PickleMachine {
    /// What a persistent name stands for: `("storage", class, key, device, count)`.
    mutating func storage(named value: PickleValue) throws -> PickleValue {
        guard case .tuple(let index) = value, sequences[index].count >= 5 else { throw broken() }
        let parts = sequences[index]
        guard parts[0].textValue == "storage", case .global(let kind) = parts[1], let count = parts[4].integerValue,
            count >= 0
        else { throw broken() }
        let key = parts[2].textValue ?? parts[2].integerValue.map(String.init)
        guard let key else { throw broken() }
        if parts.count > 5, case .tuple = parts[5] {
            throw failure("has a storage that is a part of another, as PyTorch before 0.4 wrote them", .unsupported)
        }
        switch kind {
        case .storage(let type): storages.append(PickleStorage(key: key, type: type, count: count))
        case .untypedStorage: storages.append(PickleStorage(key: key, type: nil, count: count))
        default: throw failure("has a storage of the class \(kind)", .unsupported)
        }
        return .storage(storages.count - 1)
    }

    /// What a call of one of the known functions gives.
    mutating func call(_ global: PickleGlobal, _ arguments: [PickleValue]) throws -> PickleValue {
        switch global {
        case .orderedDictionary:
            var entries: [(key: PickleValue, value: PickleValue)] = []
            if case .list(let list)? = arguments.first {
                copied += sequences[list].count
                guard copied <= PickleMachine.maximumLength / 4 else { throw broken() }
                for pair in sequences[list] {
                    let parts: [PickleValue]
                    switch pair {
                    case .tuple(let index), .list(let index): parts = sequences[index]
                    default: throw broken()
                    }
                    guard parts.count == 2 else { throw broken() }
                    entries.append((parts[0], parts[1]))
                }
            } else if !arguments.isEmpty {
                throw broken()
            }
            return makeDictionary(entries)
        case .tensor: return try tensor(arguments, type: nil)
        case .typedTensor:
            guard arguments.count >= 7, case .global(.elements(let type)) = arguments[6] else { throw broken() }
            return try tensor(arguments, type: type)
        case .parameter:
            guard case .tensor? = arguments.first else { throw broken() }
            return arguments[0]
        case .size:
            guard case .tuple? = arguments.first else { throw broken() }
            return arguments[0]
        case .device: return .none
        case .storage, .elements, .untypedStorage: throw failure("calls \(global)", .unsupported)
        }
    }

    private mutating func tensor(_ arguments: [PickleValue], type: ElementType?) throws -> PickleValue {
        guard arguments.count >= 4, case .storage(let storage) = arguments[0], let offset = arguments[1].integerValue,
            let shape = integers(arguments[2]), let strides = integers(arguments[3]), shape.count == strides.count,
            offset >= 0, shape.count <= PickleMachine.maximumRank, tensors.count < PickleMachine.maximumTensors,
            let elements = type ?? storages[storage].type
        else { throw broken() }
        tensors.append(
            PickleTensor(storage: storage, type: elements, offset: offset, shape: shape, strides: strides))
        return .tensor(tensors.count - 1)
    }

    private func integers(_ value: PickleValue) -> [Int]? {
        guard case .tuple(let index) = value, sequences[index].count <= PickleMachine.maximumRank else { return nil }
        var result: [Int] = []
        for element in sequences[index] {
            guard let number = element.integerValue, number >= 0 else { return nil }
            result.append(number)
        }
        return result
    }
}
