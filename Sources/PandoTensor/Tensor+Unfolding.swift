// Windows of maps as rows, and back; channels as pixels, and back.

extension Tensor {
    /// What each window sees, as a row ("im2col"); padding is zeros.
    ///
    /// A row's numbers stand in the order of a convolution's weight, so that its product with
    /// `weight.reshaped(O, -1).transposed` is the convolution.
    /// - Shapes: `[N, H, W, C]` → `[N, windows, C · kh · kw]`, windows row by row.
    public func unfolded(
        kernel: [Int], stride: [Int] = [1], padding: Padding = Padding(0), dilation: [Int] = [1]
    ) -> Tensor {
        require(rank == 4, "unfold: shape \(shape) is no map [N, H, W, C]")
        requireFloatingPoint("unfold")
        let window = PrimitiveRecipe.Window(
            "unfold", axes: 2, kernel: kernel, stride: stride, dilation: dilation, padding: padding)
        return .applying(Unfold(window: window), to: self)
    }

    /// The map whose windows are given as rows; where they overlap it is their sum ("col2im").
    ///
    /// - Shapes: `[N, windows, C · kh · kw]` → `[N, height, width, C]`.
    public func folded(
        height: Int, width: Int, kernel: [Int], stride: [Int] = [1], padding: Padding = Padding(0),
        dilation: [Int] = [1]
    ) -> Tensor {
        require(rank == 3, "fold: shape \(shape), expected [N, windows, C · kh · kw]")
        requireFloatingPoint("fold")
        let window = PrimitiveRecipe.Window(
            "fold", axes: 2, kernel: kernel, stride: stride, dilation: dilation, padding: padding)
        let taps = window.kernel.reduce(1, *)
        let map = [shape[0], height, width, shape[2] / taps]
        let windows = window.outputSize(map).reduce(1, *)
        require(
            shape[2] % taps == 0 && shape[1] == windows,
            "fold: shape \(shape) for \(windows) windows of \(window.kernel), expected [N, \(windows), C · \(taps)]")
        return .applying(Fold(window: window, size: [height, width]), to: self)
    }

    /// Channels brought into blocks of `factor × factor` pixels: channel `c · factor² + i · factor + j` becomes row `i`
    /// and column `j` of each block of channel `c`.
    ///
    /// - Shapes: `[N, H, W, C · factor²]` → `[N, H · factor, W · factor, C]`.
    /// - Source: Shi et al. 2016 (arXiv:1609.05158), equation 4.
    public func pixelShuffled(_ factor: Int) -> Tensor {
        require(
            rank == 4 && factor >= 1 && shape[3] % (factor * factor) == 0,
            "pixel shuffle: shape \(shape) by \(factor), expected [N, H, W, C · \(factor * factor)]")
        let (count, height, width, channels) = (shape[0], shape[1], shape[2], shape[3] / (factor * factor))
        return reshaped(count, height, width, channels, factor, factor).permuted(0, 1, 4, 2, 5, 3)
            .reshaped(count, height * factor, width * factor, channels)
    }

    /// Blocks of `factor × factor` pixels brought into channels: undoes `pixelShuffled`.
    ///
    /// - Shapes: `[N, H · factor, W · factor, C]` → `[N, H, W, C · factor²]`.
    public func pixelUnshuffled(_ factor: Int) -> Tensor {
        require(
            rank == 4 && factor >= 1 && shape[1] % factor == 0 && shape[2] % factor == 0,
            "pixel unshuffle: shape \(shape) by \(factor), expected [N, H · \(factor), W · \(factor), C]")
        let (count, height, width, channels) = (shape[0], shape[1] / factor, shape[2] / factor, shape[3])
        return reshaped(count, height, factor, width, factor, channels).permuted(0, 1, 3, 5, 2, 4)
            .reshaped(count, height, width, channels * factor * factor)
    }
}

/// `[N, H, W, C]` → `[N, windows, C · kh · kw]`.
struct Unfold: Operation {
    let window: PrimitiveRecipe.Window

    func forward(_ inputs: [Tensor]) -> Tensor {
        let shape = inputs[0].shape
        let windows = window.outputSize(shape)
        let result = inputs[0].cast(to: .float32).withScalars { map in
            Tensor(
                unsafeUninitialized: [shape[0], windows[0] * windows[1], shape[3] * window.kernel.reduce(1, *)],
                of: Float.self
            ) { columns in
                columns.initialize(repeating: 0)
                window.forEachTap(shape) { pixel, column, step in
                    for channel in 0..<shape[3] { columns[column + channel * step] = map[pixel + channel] }
                }
            }
        }
        return result.cast(to: inputs[0].elementType)
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] {
        [Fold(window: window, size: Array(saved.inputShapes[0][1...2])).forward([gradient])]
    }

    func keeps(_ wanted: [Bool]) -> Kept { .nothing }
}

/// `[N, windows, C · kh · kw]` → `[N, H, W, C]`.
struct Fold: Operation {
    let window: PrimitiveRecipe.Window
    /// Height and width.
    let size: [Int]

    func forward(_ inputs: [Tensor]) -> Tensor {
        let channels = inputs[0].shape[2] / window.kernel.reduce(1, *)
        let shape = [inputs[0].shape[0]] + size + [channels]
        let result = inputs[0].cast(to: .float32).withScalars { columns in
            Tensor(unsafeUninitialized: shape, of: Float.self) { map in
                map.initialize(repeating: 0)
                window.forEachTap(shape) { pixel, column, step in
                    for channel in 0..<channels { map[pixel + channel] += columns[column + channel * step] }
                }
            }
        }
        return result.cast(to: inputs[0].elementType)
    }

    func backward(_ gradient: Tensor, _ saved: Saved) -> [Tensor?] { [Unfold(window: window).forward([gradient])] }

    func keeps(_ wanted: [Bool]) -> Kept { .nothing }
}

extension PrimitiveRecipe.Window {
    /// Calls `body` for each pixel of a map `[N, H, W, C]` that a window's tap falls on: where the pixel's first channel
    /// stands in the map and in the rows of windows, and how far apart channels stand there.
    @inline(__always)
    fileprivate func forEachTap(_ shape: [Int], _ body: (_ pixel: Int, _ column: Int, _ step: Int) -> Void) {
        let windows = outputSize(shape)
        let taps = kernel[0] * kernel[1]
        for sample in 0..<shape[0] {
            for place in 0..<windows[0] * windows[1] {
                let top = place / windows[1] * stride[0] - paddingBefore[0]
                let left = place % windows[1] * stride[1] - paddingBefore[1]
                let row = (sample * windows[0] * windows[1] + place) * taps * shape[3]
                for tap in 0..<taps {
                    let y = top + tap / kernel[1] * dilation[0]
                    let x = left + tap % kernel[1] * dilation[1]
                    guard (0..<shape[1]).contains(y), (0..<shape[2]).contains(x) else { continue }
                    body(((sample * shape[1] + y) * shape[2] + x) * shape[3], row + tap, taps)
                }
            }
        }
    }
}
