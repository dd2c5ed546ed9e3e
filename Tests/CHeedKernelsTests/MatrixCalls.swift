import CHeedKernels

/// What a forward product adds to x · Wᵀ.
struct LinearOptions {
    var bias: [Float]?
    var residual: [Float]?
    var activation = HEED_IDENTITY
    var keepsPre = false
}

/// x · Wᵀ + bias from row-major weights or from panels.
func linear(_ c: MatrixCase, x: [Float], weight: [Float], bias: [Float]? = nil, packed: Bool) -> [Float] {
    linear(c, x: x, weight: weight, LinearOptions(bias: bias), packed: packed).y
}

/// residual + activation(x · Wᵀ + bias) from row-major weights or from panels; memory that no row owns holds 7.
func linear(
    _ c: MatrixCase, x: [Float], weight: [Float], _ options: LinearOptions, packed: Bool
) -> (y: [Float], pre: [Float]) {
    let yStride = c.outputs + c.padding
    var y = [Float](repeating: 7, count: c.rows * yStride)
    var pre = [Float](repeating: 7, count: c.rows * yStride)
    let bytes = Int(heed_panel_bytes(Int64(c.inputs), Int64(c.outputs), c.precision))
    let panels = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
    defer { panels.deallocate() }
    var call = heed_linear()
    call.x_stride = Int64(c.inputs + c.padding)
    call.residual_stride = Int64(yStride)
    call.y_stride = Int64(yStride)
    call.in = Int32(c.inputs)
    call.out = Int32(c.outputs)
    call.activation = Int32(options.activation.rawValue)
    call.precision = c.precision
    c.withWindow { window, scratch in
        call.window = window
        call.scratch = scratch
        x.withUnsafeBufferPointer { x in
            weight.withUnsafeBufferPointer { weight in
                y.withUnsafeMutableBufferPointer { y in
                    pre.withUnsafeMutableBufferPointer { pre in
                        call.x = x.baseAddress
                        call.y = y.baseAddress
                        if options.keepsPre { call.pre = pre.baseAddress }
                        if packed {
                            let pack = heed_pack(
                                weight: weight.baseAddress, panels: panels, in: call.in, out: call.out,
                                precision: c.precision)
                            run(c.kernels.pack, pack, parts: c.parts)
                            call.panels = UnsafeRawPointer(panels)
                        } else {
                            call.weight = weight.baseAddress
                        }
                        withOptional(options.bias) { bias in
                            withOptional(options.residual) { residual in
                                call.bias = bias
                                call.residual = residual
                                run(c.kernels.linear, call, parts: c.parts)
                            }
                        }
                    }
                }
            }
        }
    }
    return (y, pre)
}

private func withOptional(_ values: [Float]?, _ body: (UnsafePointer<Float>?) -> Void) {
    if let values { values.withUnsafeBufferPointer { body($0.baseAddress) } } else { body(nil) }
}

/// (accumulate ? dx : 0) + dy · W, times the slope of an activation at `input`.
func inputGradient(
    _ c: MatrixCase, dy: [Float], weight: [Float], dx start: [Float], accumulate: Bool,
    activation: heed_activation = HEED_IDENTITY, input: [Float]? = nil
) -> [Float] {
    var dx = start
    c.withWindow { window, scratch in
        dy.withUnsafeBufferPointer { dy in
            weight.withUnsafeBufferPointer { weight in
                dx.withUnsafeMutableBufferPointer { dx in
                    var call = heed_linear_input_gradient()
                    call.window = window
                    call.dy = dy.baseAddress
                    call.dy_stride = Int64(c.outputs + c.padding)
                    call.weight = weight.baseAddress
                    call.dx = dx.baseAddress
                    call.dx_stride = Int64(c.inputs + c.padding)
                    call.in = Int32(c.inputs)
                    call.out = Int32(c.outputs)
                    call.accumulate = accumulate ? 1 : 0
                    call.precision = c.precision
                    call.scratch = scratch
                    call.activation = Int32(activation.rawValue)
                    withOptional(input) {
                        call.activation_input = $0
                        run(c.kernels.linear_input_gradient, call, parts: c.parts)
                    }
                }
            }
        }
    }
    return dx
}

/// dW + dyᵀ · x and db + Σ dy.
func weightGradient(
    _ c: MatrixCase, dy: [Float], x: [Float], from start: (weight: [Float], bias: [Float])
) -> (weight: [Float], bias: [Float]) {
    var (dweight, dbias) = start
    c.withWindow { window, scratch in
        dy.withUnsafeBufferPointer { dy in
            x.withUnsafeBufferPointer { x in
                dweight.withUnsafeMutableBufferPointer { dweight in
                    dbias.withUnsafeMutableBufferPointer { dbias in
                        var call = heed_linear_weight_gradient()
                        call.window = window
                        call.dy = dy.baseAddress
                        call.dy_stride = Int64(c.outputs + c.padding)
                        call.x = x.baseAddress
                        call.x_stride = Int64(c.inputs + c.padding)
                        call.dweight = dweight.baseAddress
                        call.dbias = dbias.baseAddress
                        call.in = Int32(c.inputs)
                        call.out = Int32(c.outputs)
                        call.precision = c.precision
                        call.scratch = scratch
                        run(c.kernels.linear_weight_gradient, call, parts: c.parts)
                    }
                }
            }
        }
    }
    return (dweight, dbias)
}
