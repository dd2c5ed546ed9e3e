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

/// Replaces logits `[V]` by log probabilities, x − max − log Σ exp(x − max).
///
/// `scratch [V]` is overwritten. A row that holds only −∞ or a NaN is left as it is and gives false.
func logSoftmax(
    _ x: UnsafeMutableBufferPointer<Float>, scratch: UnsafeMutablePointer<Float>, exponential: ExponentialKernel
) -> Bool {
    var maximum = -Float.infinity
    for value in x { maximum = max(maximum, value) }
    guard maximum.isFinite else { return false }
    for index in 0..<x.count { scratch[index] = x[index] - maximum }
    exponential.apply(scratch, count: x.count)
    let sum = laneSum(UnsafeBufferPointer(start: scratch, count: x.count))
    guard sum.isFinite else { return false }
    // One rounding only: sums over beams are compared with those of other programs in their last bits.
    let shift = Double(maximum) + ExactMathematics.log(sum)
    for index in 0..<x.count { x[index] = Float(Double(x[index]) - shift) }
    return true
}
