import Foundation
import PandoBackbones
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBranches

/// What holds for every kind of adapter on every backbone that carries it.
@Suite struct AdapterBattery {
    /// An adapter's options, under a name.
    struct Variant: Sendable, CustomTestStringConvertible {
        let name: String
        let configuration: any AdapterConfiguration

        var testDescription: String { name }

        init(_ kind: any AdapterConfiguration.Type) { (name, configuration) = (kind.kind, kind.init()) }

        init<Configuration: AdapterConfiguration>(
            _ kind: Configuration.Type, _ name: String, _ change: (inout Configuration) -> Void
        ) {
            var configuration = kind.init()
            change(&configuration)
            (self.name, self.configuration) = ("\(kind.kind), \(name)", configuration)
        }
    }

    /// Every kind as it is unless told otherwise, and others.
    private static let variants = AdapterCatalog.kinds.map { Variant($0) } + [
        Variant(MLPConfiguration.self, "dropout") { $0.dropout = 0.5 },
        Variant(MomentProbingConfiguration.self, "channel") { ($0.centering, $0.width) = (.channel, 64) },
        Variant(UniPTConfiguration.self, "gpo") { $0.pooling = .gpo },
        Variant(UniPTConfiguration.self, "expanded") { $0.projection = .expanded },
        Variant(UniPTConfiguration.self, "vector") { $0.guide = .vector },
        Variant(UniPTConfiguration.self, "vector, last") { ($0.guide, $0.place) = (.vector, .last) },
        Variant(UniPTConfiguration.self, "plain") { ($0.interaction, $0.confidence) = (false, false) },
        Variant(SHERLConfiguration.self, "no late block") { $0.late = 0 },
        Variant(SHERLConfiguration.self, "gated") { ($0.late, $0.form) = (0, .gated) },
        Variant(SHERLConfiguration.self, "vector") { $0.guide = .vector },
        Variant(SHERLConfiguration.self, "two late blocks") { ($0.late, $0.redundancy) = (2, false) },
    ]

    @Test(arguments: variants, AdapterSubject.all)
    func `every kind keeps its promises, or says why the backbone cannot carry it`(
        variant: Variant, subject: AdapterSubject
    ) throws {
        guard let adapter = try made(variant.configuration, on: subject, seed: 1) else { return }
        let other = try made(variant.configuration, on: subject, seed: 2)
        try expectAdapter(adapter, otherwise: other, of: variant.name, on: subject)
    }

    @Test(arguments: variants) func `some backbone carries every kind`(variant: Variant) throws {
        #expect(try AdapterSubject.all.contains { try made(variant.configuration, on: $0, seed: 1) != nil })
    }

    @Test func `kinds, options and what they say are told apart`() {
        let kinds = AdapterCatalog.kinds.map { $0.kind }
        #expect(Set(kinds).count == kinds.count)
        #expect(AdapterCatalog.kinds.allSatisfy { !$0.summary.isEmpty && !$0.summary.hasSuffix(".") })
        for type in AdapterCatalog.kinds {
            let names = type.optionNames
            #expect(Set(names).count == names.count, "\(type.kind) has two options of one name: \(names)")
        }
    }

    @Test(arguments: AdapterPlace.allCases)
    func `the README names the kinds of each place`(place: AdapterPlace) throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../README.md").standardized
        let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
        let row = try #require(lines.first { $0.hasPrefix("| \(place.rawValue) |") })
        for type in AdapterCatalog.kinds(place) { #expect(row.contains("`\(type.kind)`"), "\(type.kind) is missing") }
    }
}

extension AdapterConfiguration {
    fileprivate static var optionNames: [String] { options.map(\.name) }
}

/// An adapter whose weights are all drawn; `nil` where the backbone cannot carry it and says so.
private func made(_ configuration: any AdapterConfiguration, on subject: AdapterSubject, seed: UInt64) throws
    -> (any Adapter)?
{
    var generator = SeededGenerator(seed: seed)
    var adapter: any Adapter
    do {
        adapter = try configuration.makeAdapter(
            on: subject.backbone, vectorLength: subject.backbone.pooledFeatures, using: &generator)
    } catch {
        #expect(error.problems.allSatisfy { $0.count > 20 }, "\(error) gives no reason")
        return nil
    }
    // Some begin with zeros, which hide what comes before them; rectified relevances are opened for the few examples.
    adapter.updateParameters { name, tensor in
        let isRelevance = name.contains("relevance") && name.hasSuffix("bias")
        return tensor + Tensor.uniform(-0.1..<0.1, tensor.shape, using: &generator) + (isRelevance ? 3 : 0)
    }
    return adapter
}

/// Expects of an adapter what `Adapter` promises.
///
/// - Parameter other: of the same kind and options, with other weights.
func expectAdapter(
    _ adapter: any Adapter, otherwise other: (any Adapter)?, of kind: String, on subject: AdapterSubject,
    sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let name = "\(kind) on \(subject.name)"
    let taps = subject.backbone.taps
    let request = adapter.request
    if let entry = adapter.gradientEntry {
        #expect((0...taps.count).contains(entry), "\(name) begins at \(entry)", sourceLocation: sourceLocation)
    } else {
        #expect(!request.input, "\(name) runs the network and hides it", sourceLocation: sourceLocation)
        expectVisitsEveryTensor(adapter, sourceLocation: sourceLocation)
    }
    #expect(Set(request.taps).isSubset(of: taps.map(\.name)), sourceLocation: sourceLocation)

    let features = subject.features(request)
    let vectors = adapter(features)
    #expect(vectors.shape == [3, adapter.featureCount], "\(name)", sourceLocation: sourceLocation)
    #expect(vectors.elementType == .float32 && vectors.isFinite, "\(name)", sourceLocation: sourceLocation)
    #expect(adapter(features).scalars() == vectors.scalars(), "\(name)", sourceLocation: sourceLocation)

    for index in 0..<3 {
        let alone = adapter(subject.features(request, of: subject.input.alone(index)))
        expectClose(
            alone, vectors.slice(index..<index + 1), relative: 2e-4, "\(name), example \(index) alone",
            sourceLocation: sourceLocation)
    }
    var disturbed = subject.features(request, of: subject.input.withOtherPadding)
    if let mask = disturbed.mask {
        let junk = (mask .== 0).cast(to: .float32).expanded(at: 2) * 50
        disturbed.taps = disturbed.taps.mapValues { $0 + junk * irregular($0.shape, phase: 5) }
    }
    expectClose(
        adapter(disturbed), vectors, relative: 1e-5, "\(name), with other padding", sourceLocation: sourceLocation)

    if adapter.parameterCount > 0 { try expectLearning(adapter, on: features, name, subject, sourceLocation) }
    try expectKeeping(adapter, other, on: features, name, sourceLocation)
    let halved = adapter.cast(to: .bfloat16)(features.cast(to: .bfloat16))
    let error = ((halved - vectors).squared().mean().scalar() / vectors.squared().mean().scalar()).squareRoot()
    #expect(
        halved.elementType == .float32 && error < 0.05, "\(name) in bfloat16 errs by \(error)",
        sourceLocation: sourceLocation)
}

/// Gradients reach all that is visited, training changes it and nothing of the backbone.
private func expectLearning(
    _ adapter: some Adapter, on features: Features, _ name: String, _ subject: AdapterSubject,
    _ sourceLocation: SourceLocation
) throws {
    let weights = irregular([3, adapter.featureCount], phase: 8)
    let (_, gradients) = valueAndGradients(of: adapter) { ($0(features) * weights).sum() }
    let names = adapter.namedTensors.filter(\.isParameter).map(\.name)
    let sizes = gradients.tensors.map { $0.elementCount == 0 ? 0 : $0.absolute().max().scalar() }
    for (parameter, size) in zip(names, sizes) where !cancels(parameter, in: name) {
        #expect(size > 0, "\(name): no gradient reaches \(parameter)", sourceLocation: sourceLocation)
    }

    let frozen = Set(subject.backbone.namedTensors.map { $0.tensor.identity })
    #expect(
        adapter.namedTensors.allSatisfy { !frozen.contains($0.tensor.identity) },
        "\(name) visits weights of the backbone", sourceLocation: sourceLocation)
    let before = subject.backbone.namedTensors.map { $0.tensor.scalars() }
    var (trained, optimizer) = (adapter, AdamW(learningRate: 0.01))
    let pass = TrainingPass(using: SeededGenerator(seed: 9))
    let step = valueAndGradients(of: trained) { ($0(features, during: pass) * weights).sum() }
    #expect(step.gradients.isFinite, "\(name)", sourceLocation: sourceLocation)
    optimizer.update(&trained, along: step.gradients)
    trained.updateBuffers(by: pass.updates)
    #expect(trained(features).scalars() != adapter(features).scalars(), "\(name)", sourceLocation: sourceLocation)
    let after = subject.backbone.namedTensors.map { $0.tensor.scalars() }
    #expect(after == before, "\(name)", sourceLocation: sourceLocation)
}

/// What is stored by name gives the same vectors again.
private func expectKeeping(
    _ adapter: any Adapter, _ other: (any Adapter)?, on features: Features, _ name: String,
    _ sourceLocation: SourceLocation
) throws {
    var loaded = try #require(other)
    let stored = Dictionary(uniqueKeysWithValues: adapter.namedTensors.map { ($0.name, $0.tensor) })
    if !stored.isEmpty {
        #expect(loaded(features).scalars() != adapter(features).scalars(), "\(name)", sourceLocation: sourceLocation)
    }
    try loaded.load(stored, from: name)
    #expect(loaded(features).scalars() == adapter(features).scalars(), "\(name)", sourceLocation: sourceLocation)
}

/// Whether what follows takes off again what a parameter adds: a softmax, or a mean.
private func cancels(_ parameter: String, in name: String) -> Bool {
    ["interaction.gate.bias", "self.key.bias", "self.key.shift"].contains { parameter.hasSuffix($0) }
        || name.hasPrefix("moment-probing, channel") && parameter == "second.norm.bias"
}

extension Features {
    /// The same with activations of another type.
    func cast(to type: ElementType) -> Features {
        var copy = self
        copy.taps = taps.mapValues { $0.cast(to: type) }
        copy.pooled = pooled.cast(to: type)
        return copy
    }
}
