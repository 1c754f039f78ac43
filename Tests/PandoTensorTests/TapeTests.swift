import PandoTensor
import PandoTestSupport
import Testing

/// What the tape does beside single operations: mixed types, length, empty maps, stopped gradients.
@Suite struct TapeTests {
    @Test func gradientsHaveTheirValuesTypeWhereTypesMix() {
        let x = irregular([4, 3]).cast(to: .bfloat16).differentiable
        let weight = irregular([2, 3], phase: 1).cast(to: .bfloat16).differentiable
        // The product with float32 is float32; its gradient reaches a product of bfloat16.
        let output = linear(x, weight: weight) * irregular([4, 2], phase: 2)
        #expect(output.elementType == .float32)
        let gradients = output.sum().gradients(for: [x, weight])
        #expect(gradients.map(\.elementType) == [.bfloat16, .bfloat16])
        let expected = matmul(irregular([4, 2], phase: 2), weight.cast(to: .float32).detached)
        #expect(worstDifference(gradients[0], expected).relative < 0.02)
    }

    @Test func severalUsesInSeveralTypesAddUp() {
        let x = Tensor([1, 2] as [Float]).differentiable
        let sum = (x * 2).sum() + (x.cast(to: .bfloat16) * 4).cast(to: .float32).sum()
        #expect(sum.gradients(for: [x])[0].scalars() == [6, 6])
    }

    @Test func aLongTapeIsLetGo() {
        let x = Tensor([0] as [Float]).differentiable
        var sum = x
        for _ in 0..<200_000 { sum = sum + 1 }
        #expect(sum.scalar() == 200_000)
        #expect(sum.gradients(for: [x])[0].scalars() == [1])
    }

    @Test func gradientsStopWhereAValueIsDetached() {
        let x = Tensor([3] as [Float]).differentiable
        let product = x * x.detached
        #expect(product.isDifferentiated)
        #expect(!x.detached.isDifferentiated)
        #expect(product.sum().gradients(for: [x])[0].scalars() == [3])
    }

    @Test func whatIsNotAFloatingPointNumberCarriesNoGradient() {
        let x = irregular([3]).differentiable
        #expect(!(x .> x).isDifferentiated)
        #expect(!x.cast(to: .int64).isDifferentiated)
        #expect(!x.reshaped(1, 3).argmax().isDifferentiated)
    }

    @Test func emptyMapsHaveEmptyGradientsAndZeroWeightGradients() {
        let map = Tensor.zeros([0, 5, 5, 3]).differentiable
        let (weight, bias) = (irregular([4, 3, 3, 3]).differentiable, irregular([4]).differentiable)
        let gradients = map.convolved(with: weight, bias: bias).sum().gradients(for: [map, weight, bias])
        #expect(gradients[0].shape == [0, 5, 5, 3])
        #expect(gradients[1].scalars().allSatisfy { $0 == 0 })
        #expect(gradients[2].scalars() == [0, 0, 0, 0])
        let functions: [(Tensor) -> Tensor] = [
            { $0.maxPooled(kernel: 2, stride: 2) }, { $0.averagePooled(kernel: 2, stride: 2) },
            { $0.adaptiveAveragePooled(height: 2, width: 2) }, { $0.adaptiveAveragePooled(height: 1, width: 1) },
            {
                $0.batchNormalized(
                    mean: .zeros([3]), variance: .ones([3]), weight: .ones([3]), bias: .zeros([3]), epsilon: 0.1)
            },
        ]
        for function in functions {
            #expect(function(map).sum().gradients(for: [map])[0].shape == [0, 5, 5, 3])
        }
    }

    @Test func aVectorOfZerosHasAFiniteNormalisedGradient() {
        let x = Tensor([0, 0, 3, 4] as [Float], shape: [2, 2]).differentiable
        let normalized = x.l2Normalized(epsilon: 1e-6)
        expectClose(normalized, Tensor([0, 0, 0.6, 0.8] as [Float], shape: [2, 2]))
        let gradient = normalized.sum().gradients(for: [x])[0].scalars()
        #expect(gradient.allSatisfy { $0.isFinite })
        expectClose(Tensor(Array(gradient[2...])), Tensor([0.032, -0.024] as [Float]), relative: 1e-4)
    }

    @Test func logSumExpTakesInfinities() {
        let values = Tensor([-.infinity, 0, -.infinity, -.infinity, .infinity, 1] as [Float], shape: [3, 2])
        #expect(values.logSumExp(along: 1).scalars() == [0, -.infinity, .infinity])
    }
}
