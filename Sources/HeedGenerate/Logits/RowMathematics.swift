import HeedProcessor
import CHeedKernels
import HeedSupport

/// The project's single-precision `exp`, the same bits on every instruction set with fused multiply-add.
struct ExponentialKernel {
    private let kernel: heed_kernel?

    init() {
        kernel = heed_kernels_for(heed_best_isa())?.pointee.map ?? heed_kernels_for(HEED_PORTABLE)?.pointee.map
    }

    /// x ← eˣ
    func apply(_ x: UnsafeMutablePointer<Float>, count: Int) {
        guard let kernel else {
            for index in 0..<count { x[index] = Float(ExactMathematics.exp(Double(x[index]))) }
            return
        }
        var arguments = heed_map(x: UnsafePointer(x), y: x, count: Int64(count), function: Int32(HEED_EXP.rawValue))
        kernel(&arguments, 0, 1)
    }
}

/// The sum in double precision over 8 lanes (lane = index mod 8) and one tree.
func laneSum(_ x: UnsafeBufferPointer<Float>) -> Double {
    var lanes = SIMD8<Double>.zero
    let whole = x.count & ~7
    if let base = x.baseAddress {
        var index = 0
        while index < whole {
            let eight = UnsafeRawPointer(base + index).loadUnaligned(as: SIMD8<Float>.self)
            lanes += SIMD8<Double>(eight)
            index += 8
        }
    }
    for index in whole..<x.count { lanes[index - whole] += Double(x[index]) }
    let four = lanes.lowHalf + lanes.highHalf
    let two = four.lowHalf + four.highHalf
    return two.x + two.y
}

/// The largest of `x`, NaN left out; −∞ of nothing.
func laneMaximum(_ x: UnsafeBufferPointer<Float>) -> Float {
    var lanes = SIMD16<Float>(repeating: -.infinity)
    let whole = x.count & ~15
    if let base = x.baseAddress {
        var index = 0
        while index < whole {
            let next = UnsafeRawPointer(base + index).loadUnaligned(as: SIMD16<Float>.self)
            lanes.replace(with: next, where: next .> lanes)
            index += 16
        }
    }
    var maximum = -Float.infinity
    for lane in 0..<16 { maximum = max(maximum, lanes[lane]) }
    for index in whole..<x.count { maximum = max(maximum, x[index]) }
    return maximum
}

/// The first of the largest of `x` in one pass, and whether any is NaN; −∞ at 0 where there is none that is larger.
func firstMaximum(_ x: UnsafeBufferPointer<Float>) -> (value: Float, index: Int, holdsNaN: Bool) {
    var lanes = SIMD16<Float>(repeating: -.infinity)
    var starts = SIMD16<Int32>.zero
    var odd = SIMDMask<SIMD16<Int32>>(repeating: false)
    let whole = x.count & ~15
    if let base = x.baseAddress {
        var index = 0
        while index < whole {
            let next = UnsafeRawPointer(base + index).loadUnaligned(as: SIMD16<Float>.self)
            let isLarger = next .> lanes
            lanes.replace(with: next, where: isLarger)
            starts.replace(with: Int32(truncatingIfNeeded: index), where: isLarger)
            odd .|= next .!= next
            index += 16
        }
    }
    var best = (value: -Float.infinity, index: 0)
    for lane in 0..<16 where lanes[lane] > -.infinity {
        let index = Int(starts[lane]) + lane
        if lanes[lane] > best.value || (lanes[lane] == best.value && index < best.index) { best = (lanes[lane], index) }
    }
    var holdsNaN = any(odd)
    for index in whole..<x.count {
        if x[index] > best.value { best = (x[index], index) }
        if x[index].isNaN { holdsNaN = true }
    }
    return (best.value, best.index, holdsNaN)
}

/// Writes log probabilities of `logits [V]` into `row`: (x − max) − log Σ exp(x − max), each difference in single
/// precision as PyTorch has it, so that sums over beams round as they do there.
///
/// `scratch [V]` is overwritten. False for a row that holds only −∞, +∞ or a NaN; `row` is then undefined.
func logSoftmax(
    _ logits: UnsafeBufferPointer<Float>, into row: UnsafeMutableBufferPointer<Float>,
    scratch: UnsafeMutablePointer<Float>, exponential: ExponentialKernel
) -> Bool {
    guard let x = logits.baseAddress, let y = row.baseAddress, row.count == logits.count else { return false }
    let count = logits.count
    let maximum = laneMaximum(logits)
    guard maximum.isFinite else { return false }
    for index in 0..<count {
        let difference = x[index] - maximum
        y[index] = difference
        scratch[index] = difference
    }
    exponential.apply(scratch, count: count)
    let sum = laneSum(UnsafeBufferPointer(start: scratch, count: count))
    guard sum.isFinite else { return false }
    let shift = Float(ExactMathematics.log(sum))
    for index in 0..<count { y[index] -= shift }
    return true
}
