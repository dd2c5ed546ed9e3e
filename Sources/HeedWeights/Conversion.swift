/// Converts little-endian elements of `type` to 32-bit floats; `destination` holds as many as there are bytes for.
func convert(_ bytes: UnsafeRawBufferPointer, _ type: ElementType, into destination: UnsafeMutableBufferPointer<Float>)
{
    guard !destination.isEmpty else { return }
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

/// Converts rows of the transpose of a stored matrix `[m, n]`: `destination` receives rows of length `m`.
///
/// Walks in squares of 32 so that reads and writes both stay within the first cache.
func transpose(
    _ bytes: UnsafeRawBufferPointer, _ type: ElementType, _ view: MatrixView,
    into destination: UnsafeMutableBufferPointer<Float>
) {
    let width = view.height
    let block = 32
    for rowStart in stride(from: view.rows.lowerBound, to: view.rows.upperBound, by: block) {
        let rowEnd = min(rowStart + block, view.rows.upperBound)
        for columnStart in stride(from: 0, to: view.columns, by: block) {
            let columnEnd = min(columnStart + block, view.columns)
            for row in rowStart..<rowEnd {
                let start = (row - view.rows.lowerBound) * view.columns
                for column in columnStart..<columnEnd {
                    let source = column * width + row
                    let value: Float
                    switch type {
                    case .f32: value = bytes.loadUnaligned(fromByteOffset: 4 * source, as: Float.self)
                    case .bf16:
                        value = NumberFormats.float(
                            bfloat16: bytes.loadUnaligned(fromByteOffset: 2 * source, as: UInt16.self))
                    case .f16:
                        value = NumberFormats.float(
                            binary16: bytes.loadUnaligned(fromByteOffset: 2 * source, as: UInt16.self))
                    default: value = Float(element(bytes, type, source))
                    }
                    destination[start + column] = value
                }
            }
        }
    }
}

/// Element `index` of any type as a 64-bit float.
func element(_ bytes: UnsafeRawBufferPointer, _ type: ElementType, _ index: Int) -> Double {
    let offset = index * type.byteCount
    switch type {
    case .f64: return bytes.loadUnaligned(fromByteOffset: offset, as: Double.self)
    case .f32: return Double(bytes.loadUnaligned(fromByteOffset: offset, as: Float.self))
    case .f16:
        return Double(NumberFormats.float(binary16: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)))
    case .bf16:
        return Double(NumberFormats.float(bfloat16: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)))
    case .i64: return Double(bytes.loadUnaligned(fromByteOffset: offset, as: Int64.self))
    case .i32: return Double(bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self))
    case .i16: return Double(bytes.loadUnaligned(fromByteOffset: offset, as: Int16.self))
    case .i8: return Double(bytes.loadUnaligned(fromByteOffset: offset, as: Int8.self))
    case .u64: return Double(bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    case .u32: return Double(bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    case .u16: return Double(bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
    case .u8, .bool: return Double(bytes[offset])
    }
}

/// Element `index` of an integer type, or nil where it does not fit `Int`.
func integerElement(_ bytes: UnsafeRawBufferPointer, _ type: ElementType, _ index: Int) -> Int? {
    let offset = index * type.byteCount
    switch type {
    case .i64: return Int(bytes.loadUnaligned(fromByteOffset: offset, as: Int64.self))
    case .i32: return Int(bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self))
    case .i16: return Int(bytes.loadUnaligned(fromByteOffset: offset, as: Int16.self))
    case .i8: return Int(bytes.loadUnaligned(fromByteOffset: offset, as: Int8.self))
    case .u64: return Int(exactly: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    case .u32: return Int(bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    case .u16: return Int(bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
    case .u8, .bool: return Int(bytes[offset])
    case .f64, .f32, .f16, .bf16: return nil
    }
}

/// The place of the first NaN or infinity, or nil.
///
/// Cost: one pass that vectorises; the second, which finds the place, runs only where there is one.
public func firstNonFinite(_ values: UnsafeBufferPointer<Float>) -> Int? {
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
