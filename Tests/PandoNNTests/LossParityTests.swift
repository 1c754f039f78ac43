import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

/// Every loss's value and gradient against PyTorch in `float64`.
///
/// Ours return means only. PyTorch's unreduced losses are held too: each stored element is our loss of that one
/// example (or, for losses of independent elements, of that one element).
@Suite struct LossParityTests {
    private static let calls: [String: GoldenCall] = [
        "crossEntropy": { x, a in
            let targets = x[1].scalars(as: Int64.self).map { Int($0) }
            let weights = x.count > 2 ? x[2] : nil
            let smoothing = a.float("labelSmoothing")
            guard a.string("reduction") == "none" else {
                return crossEntropy(x[0], targets, classWeights: weights, labelSmoothing: smoothing)
            }
            return .stacked(
                targets.indices.map { row in
                    // The mean of one weighted example has its weight divided out.
                    let weight = weights?.slice(targets[row]..<targets[row] + 1).scalar() ?? 1
                    return weight
                        * crossEntropy(
                            x[0].slice(row..<row + 1), [targets[row]], classWeights: weights, labelSmoothing: smoothing)
                })
        },
        "binaryCrossEntropy": { x, a in
            reduced(a, x[0], x[1]) { binaryCrossEntropy($0, $1, positiveWeights: x.count > 2 ? x[2] : nil) }
        },
        "focal": { x, a in
            reduced(a, x[0], x[1]) {
                focalLoss($0, $1, alpha: a.optionalFloat("alpha") ?? -1, gamma: a.float("gamma"))
            }
        },
        "smoothL1": { x, a in reduced(a, x[0], x[1]) { smoothL1($0, $1, beta: a.float("beta")) } },
        "meanSquaredError": { x, _ in meanSquaredError(x[0], x[1]) },
        "infoNCE": { x, a in
            let sides = a.bool("normalizes") ? x.map { $0.l2Normalized() } : x
            return infoNCE(sides[0], sides[1], scale: Tensor(1 / a.float("temperature")))
        },
    ]

    /// The mean, or the loss of every element for itself, as the case says.
    private static func reduced(
        _ attributes: GoldenCase.Attributes, _ predictions: Tensor, _ targets: Tensor,
        _ loss: (Tensor, Tensor) -> Tensor
    ) -> Tensor {
        guard attributes.string("reduction") == "none" else { return loss(predictions, targets) }
        let (flat, flatTargets) = (predictions.reshaped(-1), targets.reshaped(-1))
        let losses = (0..<flat.elementCount).map { loss(flat.slice($0..<$0 + 1), flatTargets.slice($0..<$0 + 1)) }
        return Tensor.stacked(losses).reshaped(predictions.shape)
    }

    private static let cases = GoldenCase.all.filter { GoldenCase.losses.contains($0.operation) }

    @Test func everyStoredLossIsHeld() {
        #expect(Set(Self.cases.map(\.operation)) == Set(Self.calls.keys))
        #expect(GoldenCase.losses == Set(Self.calls.keys))
    }

    @Test(arguments: cases)
    func valueAndGradientsEqualPyTorch(golden: GoldenCase) throws {
        expectParity(golden, try #require(Self.calls[golden.operation]))
    }

    @Test func missingLabelsDoNotCount() {
        let (logits, targets) = (
            irregular([4, 3]), Tensor([1, 0, 1, 0, 0, 1, 1, 1, 0, 0, 1, 0] as [Float], shape: [4, 3])
        )
        let mask = Tensor([1, 1, 0, 0, 1, 1, 0, 0, 0, 1, 0, 1] as [Float], shape: [4, 3])
        let known = Tensor((0..<12).filter { mask.scalars()[$0] == 1 }.map(Int64.init))
        let expected = binaryCrossEntropy(
            logits.reshaped(-1).gathered(at: known), targets.reshaped(-1).gathered(at: known))
        expectClose(binaryCrossEntropy(logits, targets, mask: mask), expected)
        #expect(binaryCrossEntropy(logits, targets, mask: .zeros([4, 3])).scalar() == 0)
    }

    @Test func gradientsOfEveryLossMatchCentralDifferences() {
        let targets = Tensor([1, 0, 1, 0, 0, 1] as [Float], shape: [2, 3])
        expectGradients(of: [irregular([2, 3])], "cross entropy") {
            crossEntropy($0[0], [2, 0], classWeights: Tensor([1, 2, 0.5] as [Float]), labelSmoothing: 0.1)
        }
        expectGradients(of: [irregular([2, 3])], "binary cross entropy") {
            binaryCrossEntropy($0[0], targets, positiveWeights: Tensor([1, 2, 0.5] as [Float]), mask: targets + 1)
        }
        expectGradients(of: [irregular([2, 3])], "focal") { focalLoss($0[0], targets) }
        expectGradients(of: [irregular([2, 3])], step: 1e-3, "smooth L1") { smoothL1($0[0], targets, beta: 0.7) }
        expectGradients(of: [irregular([3, 4]), irregular([3, 4], phase: 1), Tensor(2 as Float)], "InfoNCE") {
            infoNCE($0[0].l2Normalized(), $0[1].l2Normalized(), scale: $0[2])
        }
    }
}
