// Pooling into a given number of windows, over maps of one, two or three spatial axes.

extension Tensor {
    /// The means of `height × width` windows that divide the map as evenly as whole pixels allow.
    ///
    /// - Shapes: `[N, H, W, C]` → `[N, height, width, C]`.
    public func adaptiveAveragePooled(height: Int, width: Int) -> Tensor { adaptiveAveragePooled([height, width]) }

    /// The means of as many windows along each spatial axis as `size` says.
    ///
    /// Window `i` of `n` over `S` pixels reaches from `⌊i · S / n⌋` to `⌈(i + 1) · S / n⌉`; neighbours overlap where
    /// `n` does not divide `S`, as in PyTorch.
    /// - Shapes: `[N, …, C]` → `[N, size…, C]`.
    public func adaptiveAveragePooled(_ size: [Int]) -> Tensor {
        requireAdaptable(to: size)
        if size.allSatisfy({ $0 == 1 }) { return mean(along: Array(1..<rank - 1), keepingAxes: true) }
        if let kernel = evenKernel(size) { return averagePooled(kernel: kernel, stride: kernel) }
        // The mean over a rectangle is the mean of its rows' means: one small matrix product for each axis.
        return alongEachAxis(size) { rows, windows in
            matmul(rows.averaging(rows.shape[1], into: windows), rows)
        }
    }

    /// The largest values of `height × width` windows that divide the map as evenly as whole pixels allow.
    ///
    /// - Shapes: `[N, H, W, C]` → `[N, height, width, C]`.
    public func adaptiveMaxPooled(height: Int, width: Int) -> Tensor { adaptiveMaxPooled([height, width]) }

    /// The largest values of as many windows along each spatial axis as `size` says; windows as in
    /// `adaptiveAveragePooled`. Of equal values the first has the gradient.
    ///
    /// - Shapes: `[N, …, C]` → `[N, size…, C]`.
    public func adaptiveMaxPooled(_ size: [Int]) -> Tensor {
        requireAdaptable(to: size)
        if let kernel = evenKernel(size) { return maxPooled(kernel: kernel, stride: kernel) }
        // Last axis first, so that of equal values the first in reading order is found.
        return alongEachAxis(size) { rows, windows in .applying(AdaptiveMaximum(windows: windows), to: rows) }
    }

    private func requireAdaptable(to size: [Int]) {
        require(
            (3...5).contains(rank) && !shape[1..<Swift.max(rank - 1, 1)].contains(0),
            "adaptive pooling: shape \(shape) is no map [N, …, C] of pixels")
        require(
            size.count == rank - 2 && size.allSatisfy { $0 > 0 },
            "adaptive pooling: \(size) windows, expected at least one along each of \(rank - 2) axes")
        requireFloatingPoint("adaptive pooling")
    }

    /// The size of all windows, if they divide the map without overlapping.
    private func evenKernel(_ size: [Int]) -> [Int]? {
        let pixels = shape[1..<rank - 1]
        return zip(pixels, size).allSatisfy { $0 % $1 == 0 } ? zip(pixels, size).map { $0 / $1 } : nil
    }

    /// Brings each spatial axis, from the last to the first, to its size in `size`.
    ///
    /// - Parameter reduce: `[before, pixels, after]` and a number of windows → `[before, windows, after]`.
    private func alongEachAxis(_ size: [Int], _ reduce: (Tensor, Int) -> Tensor) -> Tensor {
        var result = self
        for axis in (1...size.count).reversed() where shape[axis] != size[axis - 1] {
            var shape = result.shape
            let rows = result.reshaped(shape[..<axis].reduce(1, *), shape[axis], shape[(axis + 1)...].reduce(1, *))
            shape[axis] = size[axis - 1]
            result = reduce(rows, size[axis - 1]).reshaped(shape)
        }
        return result
    }

    /// The matrix `[windows, size]` whose rows average the windows of `size` values.
    private func averaging(_ size: Int, into windows: Int) -> Tensor {
        var weights = [Float](repeating: 0, count: windows * size)
        for window in 0..<windows {
            let reach = adaptiveReach(window, of: windows, over: size)
            for position in reach { weights[window * size + position] = 1 / Float(reach.count) }
        }
        return Tensor(weights, shape: [windows, size]).cast(to: elementType)
    }
}

/// The pixels of window `window` of `count` over `size`.
private func adaptiveReach(_ window: Int, of count: Int, over size: Int) -> Range<Int> {
    window * size / count..<((window + 1) * size + count - 1) / count
}

/// The largest value of each of `windows` adaptive windows: `[B, S, C]` → `[B, windows, C]`.
struct AdaptiveMaximum: Operation {
    let windows: Int

    func forward(_ inputs: [Tensor]) -> Tensor { forwardKeeping(inputs).output }

    /// Auxiliaries: the pixel of each maximum, `int32`.
    func forwardKeeping(_ inputs: [Tensor]) -> (output: Tensor, auxiliaries: [Tensor]) {
        let (outer, size, width) = (inputs[0].shape[0], inputs[0].shape[1], inputs[0].shape[2])
        let shape = [outer, windows, width]
        let positions = Tensor(uninitialized: shape, .int32)
        let output = inputs[0].cast(to: .float32).withScalars { source in
            Tensor(unsafeUninitialized: shape, of: Float.self) { target in
                let found = UnsafeMutableBufferPointer(start: positions.pointer(as: Int32.self), count: target.count)
                for row in 0..<outer {
                    for window in 0..<windows {
                        let reach = adaptiveReach(window, of: windows, over: size)
                        let start = (row * windows + window) * width
                        let first = (row * size + reach.lowerBound) * width
                        for column in 0..<width {
                            target[start + column] = source[first + column]
                            found[start + column] = Int32(reach.lowerBound)
                        }
                        for pixel in reach.dropFirst() {
                            let next = (row * size + pixel) * width
                            for column in 0..<width {
                                let (value, best) = (source[next + column], target[start + column])
                                let wins = value > best || (value.isNaN && !best.isNaN)
                                target[start + column] = wins ? value : best
                                found[start + column] = wins ? Int32(pixel) : found[start + column]
                            }
                        }
                    }
                }
            }
        }
        return (output.cast(to: inputs[0].elementType), [positions])
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        let shape = saved.inputShapes[0]
        let (size, width) = (shape[1], shape[2])
        let result = saved.auxiliaries[0].withScalars(as: Int32.self) { found in
            gradient.cast(to: .float32).withScalars { source in
                Tensor(unsafeUninitialized: shape, of: Float.self) { target in
                    target.initialize(repeating: 0)
                    for index in source.indices {
                        let row = index / (windows * width)
                        target[(row * size + Int(found[index])) * width + index % width] += source[index]
                    }
                }
            }
        }
        return [result.cast(to: gradient.elementType)]
    }

    func keeps(_ wanted: [Bool]) -> Kept { .nothing }
}
