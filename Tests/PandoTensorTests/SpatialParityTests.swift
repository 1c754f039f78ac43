import PandoTensor
import PandoTestSupport
import Testing

/// Every operation on maps, value and gradient, against PyTorch in `float64`.
@Suite struct SpatialParityTests {
    /// How each stored operation is written with ours.
    private static let calls: [String: GoldenCall] = [
        "convolution": { x, a in
            x[0].convolved(
                with: x[1], bias: x.count > 2 ? x[2] : nil, stride: a.integers("stride"), padding: padding(a),
                dilation: a.integers("dilation"), groups: a.integer("groups"))
        },
        "transposedConvolution": { x, a in
            x[0].transposedConvolved(
                with: x[1], bias: x.count > 2 ? x[2] : nil, stride: a.integers("stride"), padding: padding(a),
                outputPadding: a.integers("outputPadding"), dilation: a.integers("dilation"),
                groups: a.integer("groups"))
        },
        "maxPool": { x, a in
            x[0].maxPooled(
                kernel: a.integers("kernel"), stride: a.integers("stride"), padding: padding(a),
                dilation: a.integers("dilation"), roundingUp: a.bool("roundingUp"))
        },
        "averagePool": { x, a in
            x[0].averagePooled(
                kernel: a.integers("kernel"), stride: a.integers("stride"), padding: padding(a),
                countingPadding: a.bool("countsPadding"), roundingUp: a.bool("roundingUp"))
        },
        "adaptiveAveragePool": { x, a in x[0].adaptiveAveragePooled(a.integers("size")) },
        "adaptiveMaxPool": { x, a in x[0].adaptiveMaxPooled(a.integers("size")) },
        "resize": { x, a in
            x[0].resized(
                to: a.integers("size"), by: interpolations[a.string("kind")]!, aligningCorners: a.bool("aligned"),
                antialiased: a.bool("antialiased"))
        },
        "gridSample": { x, a in
            x[0].sampled(
                at: x[1], by: a.string("mode") == "nearest" ? .nearest : .linear,
                outside: outsides[a.string("padding")]!, aligningCorners: a.bool("aligned"))
        },
        "affineGrid": { x, a in
            affineGrid(
                x[0], height: a.integers("size")[0], width: a.integers("size")[1], aligningCorners: a.bool("aligned"))
        },
        "roiAlign": { x, a in
            x[0].regionAligned(
                in: x[1], height: a.integers("size")[0], width: a.integers("size")[1], scale: a.float("scale"),
                samplesPerBin: a.integer("ratio") > 0 ? a.integer("ratio") : nil, aligned: a.bool("aligned"))
        },
        "unfold": { x, a in
            x[0].unfolded(
                kernel: a.integers("kernel"), stride: a.integers("stride"), padding: padding(a),
                dilation: a.integers("dilation"))
        },
        "fold": { x, a in
            x[0].folded(
                height: a.integers("size")[0], width: a.integers("size")[1], kernel: a.integers("kernel"),
                stride: a.integers("stride"), padding: padding(a), dilation: a.integers("dilation"))
        },
        "pixelShuffle": { x, a in x[0].pixelShuffled(a.integer("factor")) },
        "pixelUnshuffle": { x, a in x[0].pixelUnshuffled(a.integer("factor")) },
        "groupNorm": { x, a in
            x[0].groupNormalized(groups: a.integer("groups"), weight: x[1], bias: x[2], epsilon: a.float("epsilon"))
        },
        "instanceNorm": { x, a in
            x[0].instanceNormalized(weight: x[1], bias: x[2], epsilon: a.float("epsilon"))
        },
        "rmsNorm": { x, a in x[0].rmsNormalized(weight: x[1], epsilon: a.float("epsilon")) },
        "batchNormInference": { x, a in
            x[0].batchNormalized(mean: x[3], variance: x[4], weight: x[1], bias: x[2], epsilon: a.float("epsilon"))
        },
        "batchNormTraining": { x, a in
            x[0].batchNormalized(weight: x[1], bias: x[2], epsilon: a.float("epsilon")).output
        },
    ]

    private static let interpolations: [String: Interpolation] = [
        "nearest": .nearest, "nearestExact": .nearestExact, "linear": .linear, "cubic": .cubic,
    ]

    private static let outsides: [String: SamplingOutside] = [
        "zeros": .zeros, "border": .border, "reflection": .reflection,
    ]

    private static func padding(_ attributes: GoldenCase.Attributes) -> Padding {
        Padding(before: attributes.integers("padding"), after: attributes.integers("padding"))
    }

    private static let cases = GoldenCase.cases(in: "spatial")

    @Test func everyStoredOperationIsHeld() {
        #expect(Set(Self.cases.map(\.operation)) == Set(Self.calls.keys))
        #expect(Self.cases.count > 150)
    }

    @Test(arguments: cases)
    func valueAndGradientsEqualPyTorch(golden: GoldenCase) throws {
        expectParity(golden, try #require(Self.calls[golden.operation], "\(golden.operation) has no call of ours"))
    }

    /// Doubled: a result that is the input itself is none of a program's.
    @Test(arguments: cases.filter { $0.gradients[0] != nil && $0.operation != "batchNormTraining" })
    func programsComputeTheSame(golden: GoldenCase) throws {
        let call = try #require(Self.calls[golden.operation])
        for threads in [1, 2] {
            let program = Program(inputShape: golden.inputs[0].shape, threads: threads) { x in
                [call([x] + golden.inputs.dropFirst(), golden.attributes) * 2]
            }
            expectClose(program(golden.inputs[0])[0], golden.output * 2, golden.name)
        }
    }

    /// `bfloat16` keeps 8 bits: a few roundings of the largest values, which are some three times the RMS.
    @Test(arguments: cases)
    func bfloat16StaysClose(golden: GoldenCase) throws {
        let call = try #require(Self.calls[golden.operation])
        // Places to sample at are no values: they keep their digits.
        let kept: Set = golden.operation == "gridSample" || golden.operation == "roiAlign" ? [1] : []
        var leaves: [Tensor] = []
        let rounded = golden.inputs.indices.map { index -> Tensor in
            let input = golden.inputs[index]
            return kept.contains(index) ? input : input.cast(to: .bfloat16)
        }
        let reduced = rounded.map { input -> Tensor in
            guard input.elementType == .bfloat16 else { return input }
            leaves.append(input.differentiable)
            return leaves[leaves.count - 1]
        }
        guard !["batchNormInference"].contains(golden.operation) else { return }
        let output = call(reduced, golden.attributes)
        #expect(output.elementType == .bfloat16)
        let full = rounded.map { $0.cast(to: .float32) }
        let plain = zip(full, rounded).map { $1.elementType == .bfloat16 ? $0.differentiable : $0 }
        let expected = call(plain, golden.attributes)
        #expect(worstDifference(output, expected).relative < 0.03)
        let seed = irregular(output.shape, phase: 5).cast(to: .bfloat16).cast(to: .float32)
        let wanted = expected.gradients(for: zip(plain, rounded).filter { $1.elementType == .bfloat16 }.map(\.0), seed: seed)
        for (found, wanted) in zip(output.gradients(for: leaves, seed: seed), wanted) {
            #expect(found.elementType == .bfloat16)
            #expect(worstDifference(found, wanted).relative < 0.05)
        }
    }
}
