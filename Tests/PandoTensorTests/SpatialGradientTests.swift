import PandoTensor
import PandoTestSupport
import Testing

/// Operations on maps: gradients against central differences, empty and strided maps, misuse.
@Suite struct SpatialGradientTests {
    private func check(
        _ name: String, _ inputs: [Tensor], step: Float = 1e-2, _ function: ([Tensor]) -> Tensor
    ) { expectGradients(of: inputs, step: step, name, function) }

    @Test func convolutionsOfOneAndThreeAxes() {
        check("1-D", [irregular([2, 6, 4]), irregular([6, 2, 3], phase: 1), irregular([6], phase: 2)]) {
            $0[0].convolved(with: $0[1], bias: $0[2], stride: 2, padding: Padding(2), groups: 2)
        }
        check("3-D", [irregular([1, 3, 4, 2, 2]), irregular([3, 2, 2, 3, 1], phase: 1)]) {
            $0[0].convolved(with: $0[1], stride: [1, 2, 1], padding: Padding(1), dilation: [2, 1, 1])
        }
        let uneven = Padding(before: [0, 2], after: [1, 0])
        check("uneven padding", [irregular([1, 3, 4, 2]), irregular([3, 2, 2, 3], phase: 1)]) {
            $0[0].convolved(with: $0[1], padding: uneven)
        }
    }

    @Test func transposedConvolutions() {
        check("1-D", [irregular([2, 4, 4]), irregular([4, 3, 3], phase: 1), irregular([6], phase: 2)]) {
            $0[0].transposedConvolved(
                with: $0[1], bias: $0[2], stride: 3, padding: Padding(1), outputPadding: 2, groups: 2)
        }
        let uneven = Padding(before: [1, 0], after: [0, 1])
        check("2-D", [irregular([1, 3, 2, 2]), irregular([2, 3, 2, 3], phase: 1)]) {
            $0[0].transposedConvolved(with: $0[1], stride: [2, 1], padding: uneven, dilation: [1, 2])
        }
        check("3-D", [irregular([1, 2, 1, 2, 3]), irregular([3, 2, 2, 1, 3], phase: 1)]) {
            $0[0].transposedConvolved(with: $0[1], stride: 2)
        }
    }

    /// `⟨conv(x), y⟩ = ⟨x, convᵀ(y)⟩`, whatever the window.
    @Test func aTransposedConvolutionIsTheAdjoint() {
        let (x, y) = (irregular([2, 7, 5, 4]), irregular([2, 4, 3, 6], phase: 1))
        let weight = irregular([6, 2, 3, 3], phase: 2)
        let forth = x.convolved(with: weight, stride: 2, padding: Padding(1), groups: 2)
        let back = y.transposedConvolved(with: weight, stride: 2, padding: Padding(1), groups: 2)
        #expect(back.shape == x.shape)
        expectClose((forth * y).sum(), (x * back).sum(), relative: 1e-5)
    }

    @Test func pooling() {
        let line = irregular([2, 7, 2])
        check("1-D maximum", [line], step: 1e-3) { $0[0].maxPooled(kernel: 3, stride: 2, roundingUp: true) }
        check("1-D mean", [line]) { $0[0].averagePooled(kernel: 2, stride: 2, padding: Padding(1), roundingUp: true) }
        let cube = irregular([1, 3, 4, 3, 2])
        check("3-D maximum", [cube], step: 1e-3) { $0[0].maxPooled(kernel: 2, stride: 1) }
        check("3-D mean", [cube]) { $0[0].averagePooled(kernel: [2, 3, 1], stride: [1, 2, 1]) }
        check("adaptive maximum", [cube], step: 1e-3) { $0[0].adaptiveMaxPooled([2, 3, 2]) }
        check("adaptive mean", [cube]) { $0[0].adaptiveAveragePooled([2, 3, 4]) }
    }

    @Test func resizing() {
        let map = irregular([2, 4, 5, 2])
        for kind in [Interpolation.linear, .cubic] {
            check("\(kind) up", [map]) { $0[0].resized(height: 7, width: 6, by: kind) }
            check("\(kind) aligned", [map]) { $0[0].resized(height: 3, width: 9, by: kind, aligningCorners: true) }
            check("\(kind) antialiased", [map]) { $0[0].resized(height: 2, width: 2, by: kind, antialiased: true) }
        }
        check("nearest", [map]) { $0[0].resized(height: 7, width: 3, by: .nearest) }
        check("1-D cubic", [irregular([1, 5, 2])]) { $0[0].resized(to: [8], by: .cubic) }
    }

    /// Places between pixels, where no slope changes.
    @Test func sampling() {
        let map = irregular([2, 4, 5, 3])
        let grid = irregular([2, 2, 3, 2], phase: 4) * 0.9
        for outside in [SamplingOutside.zeros, .border, .reflection] {
            check("grid sample \(outside)", [map, grid], step: 1e-3) {
                $0[0].sampled(at: $0[1], outside: outside, aligningCorners: true)
            }
        }
        check("affine grid", [irregular([2, 2, 3])]) { affineGrid($0[0], height: 2, width: 3) }
        let boxes = Tensor([0, 0.5, 1, 4.5, 3.25, 1, -1, 0, 2, 9] as [Float], shape: [2, 5])
        check("region align", [map]) { $0[0].regionAligned(in: boxes, height: 2, width: 3, scale: 0.75) }
    }

    @Test func windowsAndPixels() {
        check("unfold", [irregular([2, 4, 3, 2])]) {
            $0[0].unfolded(kernel: [3, 2], stride: [2, 1], padding: Padding(1), dilation: [1, 2])
        }
        check("fold", [irregular([1, 6, 8])]) { $0[0].folded(height: 3, width: 4, kernel: [2, 2]) }
        check("pixel shuffle", [irregular([1, 2, 3, 8])]) { $0[0].pixelShuffled(2) }
        check("pixel unshuffle", [irregular([1, 4, 6, 2])]) { $0[0].pixelUnshuffled(2) }
    }

    @Test func aConvolutionIsAProductWithUnfoldedWindows() {
        let (x, weight) = (irregular([2, 5, 6, 3]), irregular([4, 3, 3, 2], phase: 1))
        let product = matmul(
            x.unfolded(kernel: [3, 2], stride: [2], padding: Padding(1)), weight.reshaped(4, -1).transposed)
        let expected = x.convolved(with: weight, stride: 2, padding: Padding(1))
        expectClose(product.reshaped(expected.shape), expected, relative: 1e-5)
    }

    @Test func norms() {
        let parameters = [irregular([6], phase: 1) + 2, irregular([6], phase: 2)]
        for groups in [1, 2, 6] {
            check("group norm of \(groups)", [irregular([2, 3, 4, 6])] + parameters, step: 5e-3) {
                $0[0].groupNormalized(groups: groups, weight: $0[1], bias: $0[2], epsilon: 1e-3)
            }
        }
        check("instance norm", [irregular([2, 7, 6])] + parameters, step: 5e-3) {
            $0[0].instanceNormalized(weight: $0[1], bias: $0[2], epsilon: 1e-3)
        }
        check("RMS norm", [irregular([2, 3, 6]), parameters[0]], step: 5e-3) {
            $0[0].rmsNormalized(weight: $0[1], epsilon: 1e-3)
        }
        check("batch norm of rows", [irregular([5, 6])] + parameters, step: 5e-3) {
            $0[0].batchNormalized(weight: $0[1], bias: $0[2], epsilon: 1e-3).output
        }
    }

    /// Every operation, by name, with shapes of its results for maps of `[2, 4, 6, 4]`.
    private static let functions: [(name: String, function: @Sendable (Tensor) -> Tensor)] = [
        ("convolution", { $0.convolved(with: irregular([2, 4, 2, 2], phase: 9), stride: 2) }),
        ("transposed convolution", { $0.transposedConvolved(with: irregular([4, 2, 2, 2], phase: 9), stride: 2) }),
        ("maximum", { $0.maxPooled(kernel: 2, stride: 2) }), ("mean", { $0.averagePooled(kernel: 2, stride: 2) }),
        ("adaptive maximum", { $0.adaptiveMaxPooled([3, 4]) }), ("adaptive mean", { $0.adaptiveAveragePooled([3, 4]) }),
        ("resize", { $0.resized(height: 3, width: 8, by: .cubic) }),
        ("grid sample", { $0.sampled(at: irregular([$0.shape[0], 2, 3, 2], phase: 3)) }),
        ("unfold", { $0.unfolded(kernel: [2, 3]) }), ("pixel shuffle", { $0.pixelShuffled(2) }),
        ("pixel unshuffle", { $0.pixelUnshuffled(2) }),
        ("group norm", { $0.groupNormalized(groups: 2, weight: .ones([4]), bias: .zeros([4]), epsilon: 1e-3) }),
        ("RMS norm", { $0.rmsNormalized(weight: .ones([4]), epsilon: 1e-3) }),
        ("regions", { $0.regionAligned(in: .zeros([$0.shape[0] / 2, 5]), height: 2, width: 2) }),
    ]

    @Test func anEmptyBatchHasEmptyResultsAndGradients() {
        for (name, function) in Self.functions {
            let leaf = Tensor.zeros([0, 4, 6, 4]).differentiable
            let output = function(leaf)
            let whole = function(.zeros([2, 4, 6, 4]))
            #expect(output.elementCount == 0 && output.shape.dropFirst() == whole.shape.dropFirst(), "\(name)")
            #expect(output.gradients(for: [leaf], seed: output.detached)[0].shape == [0, 4, 6, 4], "\(name)")
        }
    }

    @Test func weightsOfAnEmptyBatchHaveNoGradient() {
        let weight = irregular([2, 4, 2, 2]).differentiable
        let forth = Tensor.zeros([0, 4, 6, 4]).convolved(with: weight)
        #expect(forth.gradients(for: [weight], seed: forth.detached)[0].scalars().allSatisfy { $0 == 0 })
    }

    @Test func viewsGiveWhatTheirCopiesGive() {
        let stored = irregular([4, 3, 6, 8])
        // Channels first, every other one repeated over samples, with gaps.
        let view = stored.slice(0..<1, along: 1).broadcast(to: [4, 2, 6, 8]).slice(2..<6, along: 3)
            .permuted(1, 3, 2, 0)
        #expect(!view.isContiguous && view.shape == [2, 4, 6, 4])
        let copy = Tensor(view.scalars(), shape: view.shape)
        for (name, function) in Self.functions {
            let (leaf, plain) = (view.differentiable, copy.differentiable)
            let (found, expected) = (function(leaf), function(plain))
            expectClose(found, expected, name)
            expectClose(
                found.squared().sum().gradients(for: [leaf])[0], expected.squared().sum().gradients(for: [plain])[0],
                name)
        }
    }

    @Test func sizesThatDoNotFitStopTheProgram() async {
        let stride = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([1, 4, 4, 3]).convolved(with: .zeros([8, 3, 3, 3]), stride: [1, 2, 3])
        }
        expectSaid(stride, "convolution: stride [1, 2, 3], expected 2 sizes of at least 1, or one for all")
        let output = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([1, 4, 3]).transposedConvolved(with: .zeros([3, 2, 3]), stride: 2, outputPadding: 2)
        }
        expectSaid(output, "output padding [2] is not in 0..<[2]")
        let fold = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([1, 5, 8]).folded(height: 3, width: 4, kernel: [2, 2])
        }
        expectSaid(fold, "fold: shape [1, 5, 8] for 6 windows of [2, 2], expected [N, 6, C · 4]")
        let box = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Tensor.zeros([1, 4, 4, 3]).regionAligned(
                in: Tensor([1, 0, 0, 2, 2] as [Float], shape: [1, 5]), height: 2, width: 2)
        }
        expectSaid(box, "region align: box 0 is of sample 1.0, outside 0..<1")
    }

    private func expectSaid(
        _ result: ExitTest.Result?, _ message: String, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(said.contains(message), "\(said.prefix(400))", sourceLocation: sourceLocation)
    }
}
