/// Converts stored elements of `type` to 32-bit floats; `destination` holds as many as there are bytes for.
///
/// Elements of block types are whole blocks.
func convert(_ bytes: UnsafeRawBufferPointer, _ type: ElementType, into destination: UnsafeMutableBufferPointer<Float>)
{
    guard let source = bytes.baseAddress, let target = destination.baseAddress, !destination.isEmpty else { return }
    if type.isBlock { return dequantise(source, type, into: target, blocks: destination.count / type.blockLength) }
    switch type {
    case .f32:
        UnsafeMutableRawBufferPointer(destination).copyMemory(from: bytes)
    case .bf16:
        for index in destination.indices {
            destination[index] = NumberFormats.float(
                bfloat16: bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self))
        }
    case .f16:
        for index in destination.indices {
            destination[index] = NumberFormats.float(
                binary16: bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self))
        }
    default:
        for index in destination.indices { destination[index] = Float(element(bytes, type, index)) }
    }
}

/// Converts elements `range` of a tensor whose whole content is `bytes`; of block types also where the range starts or
/// ends within a block.
func convert(
    _ bytes: UnsafeRawBufferPointer, _ type: ElementType, elements range: Range<Int>,
    into destination: UnsafeMutableBufferPointer<Float>
) {
    let length = type.blockLength
    guard !range.lowerBound.isMultiple(of: length) || !range.count.isMultiple(of: length) else {
        let part = bytes[type.byteCount(of: range.lowerBound)..<type.byteCount(of: range.upperBound)]
        return convert(UnsafeRawBufferPointer(rebasing: part), type, into: destination)
    }
    let first = range.lowerBound / length
    let last = (range.upperBound + length - 1) / length
    var block = [Float](repeating: 0, count: length)
    for index in first..<last {
        let start = index * type.blockByteCount
        let part = UnsafeRawBufferPointer(rebasing: bytes[start..<start + type.blockByteCount])
        block.withUnsafeMutableBufferPointer { convert(part, type, into: $0) }
        let wanted = (index * length..<(index + 1) * length).clamped(to: range)
        for element in wanted { destination[element - range.lowerBound] = block[element - index * length] }
    }
}

/// Converts rows of the transpose of a stored matrix `[m, n]`: `destination` receives rows of length `m`.
///
/// Reads a band of stored rows at a time, so that reads and writes both stay within the caches.
func transpose(
    _ bytes: UnsafeRawBufferPointer, _ type: ElementType, _ view: MatrixView,
    into destination: UnsafeMutableBufferPointer<Float>
) {
    // The stored matrix has `view.columns` rows of `view.height` elements, of which `view.rows` are wanted.
    let wanted = view.rows
    guard !wanted.isEmpty, view.columns > 0 else { return }
    let band = 32
    let width = wanted.count
    var scratch = [Float](repeating: 0, count: band * width)
    scratch.withUnsafeMutableBufferPointer { scratch in
        for start in stride(from: 0, to: view.columns, by: band) {
            let end = min(start + band, view.columns)
            for row in start..<end {
                let line = UnsafeMutableBufferPointer(
                    rebasing: scratch[(row - start) * width..<(row - start + 1) * width])
                let first = row * view.height + wanted.lowerBound
                convert(bytes, type, elements: first..<first + width, into: line)
            }
            for column in 0..<width {
                for row in start..<end {
                    destination[column * view.columns + row] = scratch[(row - start) * width + column]
                }
            }
        }
    }
}

/// Element `index` of a plain type as a 64-bit float.
func element(_ bytes: UnsafeRawBufferPointer, _ type: ElementType, _ index: Int) -> Double {
    let offset = index * type.blockByteCount
    switch type {
    case .f64: return bytes.loadUnaligned(fromByteOffset: offset, as: Double.self)
    case .f32: return Double(bytes.loadUnaligned(fromByteOffset: offset, as: Float.self))
    case .f16:
        return Double(NumberFormats.float(binary16: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)))
    case .bf16:
        return Double(NumberFormats.float(bfloat16: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)))
    case .f8e4m3: return Double(NumberFormats.float(e4m3: bytes[offset]))
    case .f8e5m2: return Double(NumberFormats.float(e5m2: bytes[offset]))
    case .i64: return Double(bytes.loadUnaligned(fromByteOffset: offset, as: Int64.self))
    case .i32: return Double(bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self))
    case .i16: return Double(bytes.loadUnaligned(fromByteOffset: offset, as: Int16.self))
    case .i8: return Double(bytes.loadUnaligned(fromByteOffset: offset, as: Int8.self))
    case .u64: return Double(bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    case .u32: return Double(bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    case .u16: return Double(bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
    case .u8, .bool: return Double(bytes[offset])
    default: return .nan  // blocks have no elements of their own
    }
}

/// Element `index` of an integer type, or nil where it does not fit `Int`.
func integerElement(_ bytes: UnsafeRawBufferPointer, _ type: ElementType, _ index: Int) -> Int? {
    let offset = index * type.blockByteCount
    switch type {
    case .i64: return Int(bytes.loadUnaligned(fromByteOffset: offset, as: Int64.self))
    case .i32: return Int(bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self))
    case .i16: return Int(bytes.loadUnaligned(fromByteOffset: offset, as: Int16.self))
    case .i8: return Int(bytes.loadUnaligned(fromByteOffset: offset, as: Int8.self))
    case .u64: return Int(exactly: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    case .u32: return Int(bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    case .u16: return Int(bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
    case .u8, .bool: return Int(bytes[offset])
    default: return nil
    }
}

/// The place of the first NaN or infinity, or nil.
///
/// Cost: one pass that vectorises; the second, which finds the place, runs only where there is one.
package func firstNonFinite(_ values: UnsafeBufferPointer<Float>) -> Int? {
    let block = 4096
    for start in stride(from: 0, to: values.count, by: block) {
        let end = min(start + block, values.count)
        var largest: UInt32 = 0
        for index in start..<end { largest = max(largest, values[index].bitPattern & 0x7FFF_FFFF) }
        if largest >= 0x7F80_0000 {
            return (start..<end).first { !values[$0].isFinite }
        }
    }
    return nil
}
