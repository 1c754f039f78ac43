import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

/// Losses of every family against PyTorch in `float64`, central differences, and what they say of odd batches.
@Suite struct LossFamilyTests {
    private static let calls: [String: GoldenCall] = [
        "crossEntropyIgnoring": { x, a in
            crossEntropy(
                x[0], x[1].scalars(as: Int64.self).map { Int($0) }, classWeights: x.count > 2 ? x[2] : nil,
                labelSmoothing: a.float("labelSmoothing"), ignored: a.integer("ignored"))
        },
        "crossEntropyShares": { x, a in
            crossEntropy(
                x[0], shares: x[1], classWeights: x.count > 2 ? x[2] : nil, labelSmoothing: a.float("labelSmoothing"))
        },
        "binaryCrossEntropySoft": { x, _ in binaryCrossEntropy(x[0], x[1], positiveWeights: x[2]) },
        "focalSoft": { x, a in focalLoss(x[0], x[1], alpha: a.float("alpha"), gamma: a.float("gamma")) },
        "klDivergence": { x, _ in klDivergence(x[0].logSoftmax(), x[1]) },
        "distillation": { x, a in distillationLoss(x[0], teacher: x[1], temperature: a.float("temperature")) },
        "meanAbsoluteError": { x, _ in meanAbsoluteError(x[0], x[1]) },
        "huber": { x, a in huberLoss(x[0], x[1], delta: a.float("delta")) },
        "boxes": { x, a in
            let kinds = ["iou": BoxOverlap.iou, "generalized": .generalized, "distance": .distance, "complete": .complete]
            return boxLoss(x[0], x[1], kinds[a.string("overlap")]!)
        },
        "dice": { x, a in diceLoss(x[0].sigmoid(), x[1], smoothing: a.float("smoothing")) },
        "cosineEmbedding": { x, a in cosineEmbeddingLoss(x[0], x[1], x[2], margin: a.float("margin")) },
        "marginRanking": { x, a in marginRankingLoss(x[0], x[1], x[2], margin: a.float("margin")) },
        "hinge": { x, _ in hingeLoss(x[0], x[1]) },
        "multiMargin": { x, a in
            hingeLoss(x[0], x[1].scalars(as: Int64.self).map { Int($0) }, margin: a.float("margin"))
        },
        "triplet": { x, a in
            tripletLoss(
                anchors: x[0], positives: x[1], negatives: x[2], margin: a.float("margin"),
                swapsDistances: a.bool("swapsDistances"))
        },
        "pairedTriplet": { x, a in pairedTripletLoss(x[0], x[1], hardestOnly: a.bool("hardestOnly")) },
        "hardestTriplet": { x, a in hardestTripletLoss(x[0], labels: a.integers("labels"), margin: a.float("margin")) },
    ]

    private static let cases = GoldenCase.cases(in: "training").filter {
        !GoldenCase.optimizers.contains($0.operation) && !$0.operation.hasPrefix("schedule ")
    }

    @Test func everyStoredLossIsHeld() {
        #expect(Set(Self.cases.map(\.operation)) == Set(Self.calls.keys))
    }

    @Test(arguments: cases)
    func valueAndGradientsEqualPyTorch(golden: GoldenCase) throws {
        expectParity(golden, try #require(Self.calls[golden.operation]))
    }

    @Test(arguments: BoxOverlap.allCases)
    func gradientsOfBoxLossesMatchCentralDifferences(overlap: BoxOverlap) {
        let boxes = Tensor([0, 0, 4, 3, 1, 1, 9, 8, 0, 0, 2, 2] as [Float], shape: [3, 4])
        let targets = Tensor([1, 1, 5, 5, 2, 3, 4, 5, 6, 7, 9, 8.5] as [Float], shape: [3, 4])
        // The weight of the aspect ratio is a constant to the gradient, so differences of the whole see more.
        if overlap == .complete { return }
        expectGradients(of: [boxes, targets], "\(overlap)") { boxLoss($0[0], $0[1], overlap) }
    }

    @Test func gradientsMatchCentralDifferences() {
        let shares = irregular([2, 4], phase: 1).softmax(along: 1)
        let x = irregular([2, 4])
        expectGradients(of: [x], "ignored class") {
            crossEntropy($0[0], [9, 3], classWeights: irregular([4], phase: 2) + 2, labelSmoothing: 0.3, ignored: 9)
        }
        expectGradients(of: [x], "shares") { crossEntropy($0[0] * 3, shares: shares, labelSmoothing: 0.1) }
        expectGradients(of: [x], "focal, γ 0.5") { focalLoss($0[0], shares, alpha: 0.4, gamma: 0.5) }
        expectGradients(of: [x, shares], step: 1e-3, "KL") { klDivergence($0[0].logSoftmax(), $0[1]) }
        expectGradients(of: [x], "distillation") { distillationLoss($0[0], teacher: shares, temperature: 2) }
        expectGradients(of: [x], step: 1e-3, "hinge") { hingeLoss($0[0], [1, 2], margin: 0.5) }
        expectGradients(of: [x, irregular([2, 4], phase: 3)], "cosine") {
            cosineEmbeddingLoss($0[0], $0[1], Tensor([1, -1] as [Float]), margin: -0.9)
        }
        expectGradients(of: [x, irregular([2, 4], phase: 3), irregular([2, 4], phase: 4)], "triplet") {
            tripletLoss(anchors: $0[0], positives: $0[1], negatives: $0[2], margin: 3)
        }
        expectGradients(of: [irregular([2, 3, 2])], "dice") { diceLoss($0[0].sigmoid(), irregular([2, 3, 2], phase: 1)) }
        expectGradients(of: [x], "arctangent") { ($0[0] * 3).arctangent() }
    }

    @Test func fusedLossesScaleTheIncomingGradient() {
        let x = irregular([2, 3]).differentiable
        let once = crossEntropy(x, [0, 2]).gradients(for: [x])[0]
        expectClose((crossEntropy(x, [0, 2]) * 3).gradients(for: [x])[0], once * 3)
    }

    @Test func aViewGivesTheSameLossAsItsCopy() {
        let logits = irregular([5, 4]).transposed.slice(1..<4)
        let copy = Tensor(logits.scalars(), shape: [3, 5])
        #expect(crossEntropy(logits, [4, 0, 2]).scalar() == crossEntropy(copy, [4, 0, 2]).scalar())
        let targets = Tensor([1] as [Float]).broadcast(to: [3, 5])
        #expect(binaryCrossEntropy(logits, targets).scalar() == binaryCrossEntropy(copy, .ones([3, 5])).scalar())
    }

    @Test func lossesOfBFloat16AreComputedInFloat32() {
        let logits = (irregular([4, 6]) * 4).cast(to: .bfloat16)
        let x = logits.differentiable
        let loss = crossEntropy(x, [0, 3, 5, 1])
        #expect(loss.elementType == .float32)
        expectClose(loss, crossEntropy(logits.cast(to: .float32), [0, 3, 5, 1]))
        #expect(loss.gradients(for: [x])[0].elementType == .bfloat16)
        #expect(binaryCrossEntropy(x, .zeros([4, 6])).elementType == .float32)
    }

    @Test func batchesWithoutAnythingToLearnHaveNoLoss() {
        let x = irregular([2, 3]).differentiable
        let ignored = crossEntropy(x, [7, 7], ignored: 7)
        #expect(ignored.scalar() == 0)
        #expect(ignored.gradients(for: [x])[0].scalars() == [0, 0, 0, 0, 0, 0])
        #expect(hardestTripletLoss(x, labels: [1, 2]).scalar() == 0)
        #expect(diceLoss(.zeros([1, 4, 2]), .zeros([1, 4, 2])).scalar() == 0)
    }

    @Test func aClassThatDoesNotExistIsRefused() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = crossEntropy(.zeros([2, 3]), [0, 3])
        }
        let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(said.contains("cross entropy: class 3 is outside 0..<3"))
    }
}
