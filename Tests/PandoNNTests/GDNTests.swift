import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@Suite struct GDNTests {
    @Test func `each channel is divided by the root of its pool`() {
        var norm = GDN(2)
        norm.beta = Tensor([1, 2] as [Float])
        norm.gamma = Tensor([1, 0.5, 0, 2] as [Float], shape: [2, 2])
        let output = norm(Tensor([3, 4] as [Float], shape: [1, 1, 1, 2]))
        // 1 + 9 + 16/4, and 4 + 4 · 16.
        expectClose(output, Tensor([3 / Float(14).squareRoot(), 4 / Float(68).squareRoot()], shape: [1, 1, 1, 2]), relative: 1e-5)
        var inverse = GDN(2, isInverse: true)
        (inverse.beta, inverse.gamma) = (norm.beta, norm.gamma)
        let multiplied = inverse(Tensor([3, 4] as [Float], shape: [1, 1, 1, 2]))
        expectClose(multiplied, Tensor([3 * Float(14).squareRoot(), 4 * Float(68).squareRoot()], shape: [1, 1, 1, 2]), relative: 1e-5)
    }

    @Test(arguments: [false, true]) func `gradients match central differences`(isInverse: Bool) {
        let norm = GDN(3, isInverse: isInverse)
        expectGradients(of: [irregular([2, 2, 2, 3]), irregular([3], phase: 1) + 2, irregular([3, 3], phase: 2)]) {
            var changed = norm
            (changed.beta, changed.gamma) = ($0[1], $0[2])
            return changed($0[0])
        }
    }

    @Test func `every tensor is visited, and none stands still`() {
        expectVisitsEveryTensor(GDN(3))
        let x = irregular([4, 3])
        let gradients = valueAndGradients(of: GDN(3)) { ($0(x) * irregular([4, 3], phase: 5)).sum() }.gradients
        #expect(gradients.tensors.allSatisfy { $0.scalars().allSatisfy { $0 != 0 } })
    }
}
