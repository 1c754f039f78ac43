import PandoBackbones
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBranches

/// Networks whose units and blocks are closed, on every network that has such.
@Suite struct ThrottledNetworkTests {
    /// A network of the battery, opened as tests need it.
    private struct Subject {
        let subject: AdapterSubject
        var input: BackboneInput { subject.input }
        var network: any ThrottleableBackbone

        init(_ subject: AdapterSubject) throws {
            self.subject = subject
            network = try #require(subject.backbone as? any ThrottleableBackbone)
        }

        func openings(_ gating: Gating, at utilization: Double) -> [Int: BlockOpening] {
            var generator = SeededGenerator(seed: 5)
            return gating.openings(of: network.gates, at: utilization, using: &generator)
        }

        func vectors(_ openings: [Int: BlockOpening] = [:]) -> Tensor {
            network.throttled(to: openings).features(of: input, reading: [], during: nil).pooled
        }

        /// The layer that adds up the units of a part, and the layers that make them.
        func layers(ofBlock block: Int, part: Int) -> (adding: String, making: [String]) {
            switch subject.name {
            case "BERT":
                let layer = "encoder.layer.\(block - 1)."
                return part == 0
                    ? (layer + "attention.output.dense", ["query", "key", "value"].map { layer + "attention.self.\($0)" })
                    : (layer + "output.dense", [layer + "intermediate.dense"])
            case "ViT":
                return part == 0
                    ? ("blocks.\(block).attn.proj", []) : ("blocks.\(block).mlp.fc2", ["blocks.\(block).mlp.fc1"])
            case "MobileNetV2":
                return ("features.\(block).conv.2", ["features.\(block).conv.0.0"])
            default:
                let path = network.taps[block].name
                return (path + ".conv2", [path + ".conv1"])
            }
        }

        /// Gates of each unit of the layer that adds them up, 0 or the scale, by that layer's name.
        func gates(_ openings: [Int: BlockOpening]) -> [(adding: String, making: [String], gates: [Float])] {
            openings.flatMap { block, opening in
                guard case .units(let parts) = opening else { return [(adding: String, making: [String], gates: [Float])]() }
                return parts.enumerated().map { part, open in
                    var gates = [Float](repeating: 0, count: network.gates[block].unitCounts[part])
                    for unit in open.units { gates[unit] = open.scale }
                    let names = layers(ofBlock: block, part: part)
                    return (names.adding, names.making, gates)
                }
            }
        }
    }

    private static let gatings = [
        Gating(components: 4), Gating(order: .independent, components: 8), Gating(components: 8, rescales: true),
    ]

    @Test(arguments: AdapterSubject.all, gatings)
    func `skipping what is closed gives what masking it gives`(subject: AdapterSubject, gating: Gating) throws {
        let subject = try Subject(subject)
        let openings = subject.openings(gating, at: 0.5)
        var masked = subject
        let gates = Dictionary(uniqueKeysWithValues: subject.gates(openings).map { ($0.adding + ".weight", $0.gates) })
        masked.network.updateParameters { name, weight in
            guard let gates = gates[name] else { return weight }
            // Columns of a matrix stand for units, `size` neighbours for one head.
            let size = weight.shape[1] / gates.count
            let columns = gates.flatMap { [Float](repeating: $0, count: size) }
            return weight * Tensor(columns, shape: [1, columns.count] + [Int](repeating: 1, count: weight.rank - 2))
        }
        let (skipped, whole) = (subject.vectors(openings), subject.vectors())
        expectClose(skipped, masked.vectors(), relative: 1e-5)
        #expect(skipped.scalars() != whole.scalars())
    }

    @Test(arguments: AdapterSubject.all)
    func `the weights of closed units do not matter bit for bit, those of open ones do`(subject: AdapterSubject) throws {
        let subject = try Subject(subject)
        let openings = subject.openings(Gating(components: 4), at: 0.5)
        let before = subject.vectors(openings).scalars()
        let gates = subject.gates(openings)
        for closed in [true, false] {
            var changed = subject
            changed.network.updateParameters { name, weight in
                guard let (_, _, gates) = gates.first(where: { part in part.making.contains { name == $0 + ".weight" } })
                else { return weight }
                let rows = gates.flatMap {
                    [Float](repeating: ($0 == 0) == closed ? 1 : 0, count: weight.shape[0] / gates.count)
                }
                let mask = Tensor(rows, shape: [rows.count] + [Int](repeating: 1, count: weight.rank - 1))
                return weight + mask.broadcast(to: weight.shape) * irregular(weight.shape, phase: 3)
            }
            #expect((changed.vectors(openings).scalars() == before) == closed)
        }
    }

    @Test(arguments: AdapterSubject.all) func `a network that is open everywhere is itself`(subject: AdapterSubject) throws {
        let subject = try Subject(subject)
        #expect(subject.vectors(subject.openings(Gating(), at: 1)).scalars() == subject.vectors().scalars())
    }

    @Test(arguments: AdapterSubject.all) func `ordering units by magnitude keeps the function`(subject: AdapterSubject) throws {
        var subject = try Subject(subject)
        let before = subject.vectors()
        func ordered(_ network: some ThrottleableBackbone) -> any ThrottleableBackbone { network.orderedByMagnitude() }
        subject.network = ordered(subject.network)
        expectClose(subject.vectors(), before, relative: 1e-5)
        for (block, gates) in subject.network.gates.enumerated() where !gates.unitCounts.isEmpty {
            for magnitudes in subject.network.magnitudes(ofBlock: block) {
                #expect(zip(magnitudes, magnitudes.dropFirst()).allSatisfy { $0 >= $1 * (1 - 1e-6) })
            }
        }
    }

    @Test(arguments: AdapterSubject.all) func `blocks that are left out hand on what they are given`(subject: AdapterSubject) throws {
        let subject = try Subject(subject)
        let optional = subject.network.gates.indices.filter { subject.network.gates[$0].isOptional && $0 > 0 }
        let block = try #require(optional.first)
        let taps = [block - 1, block].map { subject.network.taps[$0].name }
        let features = subject.network.throttled(to: [block: .leftOut])
            .features(of: subject.input, reading: Set(taps), during: nil)
        #expect(features[taps[0]].scalars() == features[taps[1]].scalars())
    }

    @Test(arguments: AdapterSubject.all)
    func `gradients of a throttled network are gradients of the open weights`(subject: AdapterSubject) throws {
        let subject = try Subject(subject)
        let openings = subject.openings(Gating(components: 4), at: 0.5)
        func check(_ network: some ThrottleableBackbone) {
            let (_, gradients) = valueAndGradients(of: network) { network in
                let vectors = network.throttled(to: openings).features(of: subject.input, reading: [], during: nil).pooled
                return (vectors * irregular(vectors.shape, phase: 2)).sum()
            }
            let byName = Dictionary(
                uniqueKeysWithValues: zip(network.namedTensors.filter(\.isParameter).map(\.name), gradients.tensors))
            for (_, making, gates) in subject.gates(openings) {
                for name in making {
                    guard let gradient = byName[name + ".weight"] else { continue }
                    let lengths = unitNorms(gradient, count: gates.count)
                    for (length, gate) in zip(lengths, gates) where gate == 0 { #expect(length == 0) }
                    #expect(zip(lengths, gates).contains { $0 > 0 && $1 > 0 })
                }
            }
        }
        check(subject.network)
    }

    private func unitNorms(_ gradient: Tensor, count: Int) -> [Float] {
        gradient.reshaped(count, -1).squared().sum(along: [1]).scalars()
    }
}
