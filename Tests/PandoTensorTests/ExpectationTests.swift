import PandoTensor
import PandoTestSupport
import Testing

/// The comparisons that other tests rely on must see what is wrong.
@Suite struct ExpectationTests {
    private let right = irregular([4, 5])

    @Test func anEqualTensorPasses() {
        expectClose(right, right, relative: 0)
        expectClose(right * (1 + 1e-6), right)
    }

    @Test(arguments: ["one percent off", "one element off", "transposed", "not a number", "of another shape"])
    func aWrongAnswerIsSeen(kind: String) {
        var values = right.scalars()
        let wrong: Tensor
        switch kind {
        case "one percent off": wrong = right * 1.01
        case "one element off":
            values[7] += 0.01
            wrong = Tensor(values, shape: [4, 5])
        case "transposed": wrong = irregular([5, 4]).transposed
        case "not a number":
            values[0] = .nan
            wrong = Tensor(values, shape: [4, 5])
        default: wrong = right.reshaped(5, 4)
        }
        withKnownIssue { expectClose(wrong, right, relative: 1e-3) }
    }

    @Test func aToleranceThatAcceptsAnythingIsRefused() {
        withKnownIssue { expectClose(right, right, relative: 0.1) }
    }

    @Test func aWrongGradientIsSeen() {
        let x = irregular([2, 3]) + 2
        expectGradients(of: [x]) { $0[0].log() }
        // The gradient through one of both factors only.
        withKnownIssue { expectGradients(of: [x]) { $0[0] * $0[0].detached } }
    }
}
