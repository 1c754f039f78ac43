import PandoBackbones
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBranches

/// The late route: the backbone's last blocks, run on what the early one made.
@Suite struct SHERLLateRouteTests {
    private static func adapter(late: Int, on subject: AdapterSubject, seed: UInt64 = 1) throws -> any Adapter {
        var configuration = SHERLConfiguration()
        configuration.late = late
        var generator = SeededGenerator(seed: seed)
        return try configuration.makeAdapter(
            on: subject.backbone, vectorLength: subject.backbone.pooledFeatures, using: &generator)
    }

    @Test(arguments: AdapterSubject.all)
    func `gradients enter where the late blocks begin, and nothing behind is read`(
        subject: AdapterSubject
    ) throws {
        let taps = subject.backbone.taps.map(\.name)
        for late in 0...2 {
            let adapter = try Self.adapter(late: late, on: subject)
            #expect(adapter.gradientEntry == (late == 0 ? nil : taps.count - late))
            #expect(adapter.request.taps.last == taps[taps.count - 1 - late])
            let wide = late == 0 ? subject.backbone.taps[taps.count - 1].channels : subject.backbone.pooledFeatures
            #expect(adapter.featureCount == wide)
        }
    }

    @Test(arguments: AdapterSubject.all)
    func `a route that hands its deepest state on gives the frozen pass's own vector`(subject: AdapterSubject) throws {
        let adapter = try Self.adapter(late: 1, on: subject)
        var open = adapter
        // Nothing is fused, and the gate is open: tanh(10) is 1.
        open.updateParameters { name, tensor in
            if name.hasSuffix("gate.alpha") { return .ones([1]) }
            return name.hasPrefix("route.up.") || name.hasPrefix("route.norm.") ? .zeros(tensor.shape) : tensor
        }
        let whole = subject.features(.vector).pooled
        expectClose(open(subject.features(adapter.request)), whole, relative: 1e-5)
        #expect(worstDifference(adapter(subject.features(adapter.request)), whole).relative > 0.05)
    }

    @Test func `what cannot be is refused with what would do`() {
        var generator = SeededGenerator(seed: 1)
        func message(_ subject: AdapterSubject, _ change: (inout SHERLConfiguration) -> Void) -> String {
            var configuration = SHERLConfiguration()
            change(&configuration)
            do {
                _ = try configuration.makeAdapter(on: subject.backbone, vectorLength: 32, using: &generator)
                return ""
            } catch { return error.description }
        }
        #expect(message(.bert) { $0.late = 4 }.contains("at most 3 would do"))
        #expect(message(.bert) { $0.taps = ["layers.0", "layers.1"] }.contains("go on from layers.3"))
        #expect(message(.bert) { ($0.guide, $0.late) = (.vector, 1) }.contains("leave out `late`"))
        #expect(message(.mobileNet) { $0.form = .gated }.contains("`form: gated` is for tokens"))
        #expect(message(.mobileNet) { $0.guide = .vector }.contains("`guide: vector` is for tokens"))
    }
}
