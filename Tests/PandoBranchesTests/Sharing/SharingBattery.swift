import PandoBackbones
import PandoNN
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoBranches

/// What holds for every kind of sharing on every backbone that carries it.
@Suite struct SharingBattery {
    /// A policy's options, under a name.
    struct Variant: Sendable, CustomTestStringConvertible {
        let name: String
        let configuration: any SharingConfiguration

        var testDescription: String { name }

        init(_ kind: any SharingConfiguration.Type) { (name, configuration) = (kind.kind, kind.init()) }

        init<Configuration: SharingConfiguration>(
            _ kind: Configuration.Type, _ name: String, _ change: (inout Configuration) -> Void
        ) {
            var configuration = kind.init()
            change(&configuration)
            (self.name, self.configuration) = ("\(kind.kind), \(name)", configuration)
        }
    }

    /// Every kind as it is unless told otherwise, and others.
    ///
    /// What is the network itself has promises of its own, which `TNNTests` hold it to.
    private static let variants = SharingCatalog.kinds.filter { $0 != TNNConfiguration.self }.map { Variant($0) } + [
        Variant(CrossStitchConfiguration.self, "one layer") { $0.layers = 1 },
        Variant(PLEConfiguration.self, "one level") { $0.levels = 1 },
        Variant(PLEConfiguration.self, "three levels") { ($0.levels, $0.own, $0.shared) = (3, 2, 1) },
    ]

    @Test(arguments: variants, AdapterSubject.all)
    func `every kind keeps its promises, or says why the backbone cannot carry it`(
        variant: Variant, subject: AdapterSubject
    ) throws {
        guard let sharing = try made(variant.configuration, on: subject, seed: 1) else { return }
        let other = try #require(try made(variant.configuration, on: subject, seed: 2))
        try expectSharing(sharing, otherwise: other, of: variant.name, on: subject)
    }

    @Test(arguments: variants) func `some backbone of tokens and one of maps carry every kind`(variant: Variant) throws {
        for subjects in [[AdapterSubject.bert, .vit], [.mobileNet, .resNet]] {
            #expect(try subjects.contains { try made(variant.configuration, on: $0, seed: 1) != nil })
        }
    }

    @Test func `kinds, options and what they say are told apart`() {
        let kinds = SharingCatalog.kinds.map { $0.kind }
        #expect(Set(kinds).count == kinds.count)
        #expect(SharingCatalog.kinds.allSatisfy { !$0.summary.isEmpty && !$0.summary.hasSuffix(".") })
        for type in SharingCatalog.kinds {
            let names = type.optionNames
            #expect(Set(names).count == names.count, "\(type.kind) has two options of one name: \(names)")
            // What a plan says of training together stands beside the options.
            let taken = ["kind", "adapter", "tasks", "balancing", "stages", "temperature", "cap"]
            #expect(Set(names).isDisjoint(with: taken), "\(type.kind) has an option that a plan reads as its own: \(names)")
        }
    }
}

extension SharingConfiguration {
    fileprivate static var optionNames: [String] { options.map(\.name) }
}

/// What three tasks share, its weights all drawn; `nil` where the backbone cannot carry it and says so.
private func made(_ configuration: any SharingConfiguration, on subject: AdapterSubject, seed: UInt64) throws
    -> (any Sharing)?
{
    var generator = SeededGenerator(seed: seed)
    var sharing: any Sharing
    do {
        sharing = try configuration.makeSharing(
            on: subject.backbone, vectorLength: subject.backbone.pooledFeatures, taskCount: 3, using: &generator)
    } catch {
        #expect(error.problems.allSatisfy { $0.count > 20 }, "\(error) gives no reason")
        return nil
    }
    sharing.updateParameters { _, tensor in tensor + Tensor.uniform(-0.1..<0.1, tensor.shape, using: &generator) }
    return sharing
}

/// Expects of a sharing policy what `Sharing` promises.
///
/// - Parameter other: of the same kind and options, with other weights.
private func expectSharing(
    _ sharing: any Sharing, otherwise other: any Sharing, of kind: String, on subject: AdapterSubject
) throws {
    let name = "\(kind) on \(subject.name)"
    #expect(Set(sharing.request.taps).isSubset(of: subject.backbone.taps.map(\.name)), "\(name)")
    #expect(sharing.gradientEntry == nil && !sharing.request.input, "\(name)")
    expectVisitsEveryTensor(sharing)

    let features = subject.features(sharing.request)
    let vectors = sharing(features, for: [0, 1, 2])
    #expect(vectors.map(\.shape) == [[Int]](repeating: [3, sharing.featureCount], count: 3), "\(name)")
    #expect(vectors.allSatisfy { $0.elementType == .float32 && $0.isFinite }, "\(name)")

    expectRows(sharing, features, vectors, name)
    expectIndependence(sharing, vectors, name, subject)
    expectLearning(sharing, features, name)
    expectTrueGradients(sharing, features, name)
    try expectKeeping(sharing, other, features, vectors, name)
    let halved = sharing.cast(to: .bfloat16)(features.cast(to: .bfloat16), for: [0, 1, 2])
    let mixed = sharing(features.cast(to: .bfloat16), for: [0, 1, 2])
    for (task, vector) in vectors.enumerated() {
        for found in [halved[task], mixed[task]] {
            let error = ((found - vector).squared().mean().scalar() / vector.squared().mean().scalar()).squareRoot()
            #expect(found.elementType == .float32 && error < 0.05, "\(name) in bfloat16 errs by \(error)")
        }
    }
}

/// A task's vectors do not depend on which others are asked, in what order, nor on the rows of others.
private func expectRows(_ sharing: any Sharing, _ features: Features, _ vectors: [Tensor], _ name: String) {
    for task in 0..<3 {
        let alone = sharing(features, for: [task])[0]
        expectClose(alone, vectors[task], relative: 1e-5, "\(name), task \(task) alone")
    }
    let asked = [TaskRows(2, rows: [1]), TaskRows(0, rows: [2, 0])]
    let found = sharing(features, for: asked, during: nil)
    #expect(found.count == 2, "\(name)")
    for (rows, vector) in zip(asked, found) {
        expectClose(vector, rows.of(vectors[rows.task]), relative: 1e-5, "\(name), rows of task \(rows.task)")
    }
}

/// Neither the examples of the same batch nor padding matter.
private func expectIndependence(
    _ sharing: any Sharing, _ vectors: [Tensor], _ name: String, _ subject: AdapterSubject
) {
    for index in 0..<3 {
        let alone = sharing(subject.features(sharing.request, of: subject.input.alone(index)), for: [0, 1, 2])
        for task in 0..<3 {
            expectClose(
                alone[task], vectors[task].slice(index..<index + 1), relative: 2e-4, "\(name), example \(index) alone")
        }
    }
    var disturbed = subject.features(sharing.request, of: subject.input.withOtherPadding)
    if let mask = disturbed.mask {
        let junk = (mask .== 0).cast(to: .float32).expanded(at: 2) * 50
        disturbed.taps = disturbed.taps.mapValues { $0 + junk * irregular($0.shape, phase: 5) }
    }
    for (task, vector) in sharing(disturbed, for: [0, 1, 2]).enumerated() {
        expectClose(vector, vectors[task], relative: 1e-5, "\(name), with other padding")
    }
}

/// All that is visited learns from the tasks together; of one task alone, what is shared and its own does, what is
/// another's does not.
private func expectLearning(_ sharing: some Sharing, _ features: Features, _ name: String) {
    let names = sharing.namedTensors.filter(\.isParameter).map(\.name)
    func reached(by tasks: [Int]) -> [String: Bool] {
        let (_, gradients) = valueAndGradients(of: sharing) { sharing in
            let pass = TrainingPass(using: SeededGenerator(seed: 9))
            let vectors = sharing(features, for: tasks.map { TaskRows($0) }, during: pass)
            return vectors.enumerated().reduce(Tensor(0 as Float)) { sum, next in
                sum + (next.element * irregular(next.element.shape, phase: Float(8 + tasks[next.offset]))).sum()
            }
        }
        let sizes = gradients.tensors.map { $0.elementCount == 0 ? 0 : $0.absolute().max().scalar() }
        return Dictionary(uniqueKeysWithValues: zip(names, sizes.map { $0 > 0 }))
    }
    let together = reached(by: [0, 1, 2])
    for parameter in names { #expect(together[parameter] == true, "\(name): no gradient reaches \(parameter)") }
    for task in 0..<3 {
        let alone = reached(by: [task])
        for parameter in names {
            let owner = owner(of: parameter, in: sharing)
            let isReached = alone[parameter] ?? false
            let isExpected = owner == nil || owner == task
            #expect(isReached == isExpected, "\(name): a loss of task \(task) on \(parameter)")
        }
    }
}

/// The task that a parameter belongs to alone, which its name tells; `nil` if it is shared.
private func owner(of name: String, in sharing: some Sharing) -> Int? {
    let parts = name.split(separator: ".")
    guard let place = parts.firstIndex(of: "tasks"), place + 1 < parts.count else { return nil }
    if let ple = sharing as? PLE, let level = Int(parts[1]) {
        // What is a task's own reaches the others through the next level's shared experts: its gate, two levels on.
        let reach = parts[place + 2] == "gate" ? 2 : 1
        if level + reach < ple.levels.count { return nil }
    }
    return Int(parts[place + 1])
}

/// The slope along each parameter's gradient is the gradient's length, as central differences have it.
private func expectTrueGradients(_ sharing: some Sharing, _ features: Features, _ name: String) {
    func vectors(_ sharing: some Sharing) -> [Tensor] {
        let vectors = sharing(
            features, for: [TaskRows(0), TaskRows(2, rows: [1, 2])], during: TrainingPass(using: SeededGenerator(seed: 3)))
        return zip(vectors, [8, 9] as [Float]).map { $0 * irregular($0.shape, phase: $1) }
    }
    let (_, gradients) = valueAndGradients(of: sharing) { sharing in
        vectors(sharing).reduce(Tensor(0 as Float)) { $0 + $1.sum() }
    }
    let names = sharing.namedTensors.filter(\.isParameter).map(\.name)
    let lengths = gradients.tensors.map { $0.squared().sum().scalar().squareRoot() }
    let usual = (lengths.reduce(0) { $0 + $1 * $1 } / Float(lengths.count)).squareRoot()
    for (parameter, (gradient, length)) in zip(names, zip(gradients.tensors, lengths)) where length > 1e-4 {
        func moved(_ size: Float) -> Double {
            var moved = sharing
            moved.updateParameters { $0 == parameter ? $1 + gradient * (size / length) : $1 }
            return vectors(moved).flatMap { $0.scalars() }.reduce(0) { $0 + Double($1) }
        }
        // A rectifier that turns on the way of one step does not on that of both.
        let slopes = ([1e-4, 2e-5] as [Float]).map { Float((moved($0) - moved(-$0)) / Double(2 * $0)) }
        let slope = slopes.min { abs($0 - length) < abs($1 - length) }!
        #expect(
            abs(slope - length) <= 0.01 * max(abs(slope), usual),
            "\(name): the slope along \(parameter) is \(slope), its gradient says \(length)")
    }
}

/// What is stored by name gives the same vectors again.
private func expectKeeping(
    _ sharing: any Sharing, _ other: any Sharing, _ features: Features, _ vectors: [Tensor], _ name: String
) throws {
    var loaded = other
    let stored = Dictionary(uniqueKeysWithValues: sharing.namedTensors.map { ($0.name, $0.tensor) })
    for task in 0..<3 {
        #expect(loaded(features, for: [task])[0].scalars() != vectors[task].scalars(), "\(name)")
    }
    try loaded.load(stored, from: name)
    for task in 0..<3 {
        #expect(loaded(features, for: [task])[0].scalars() == sharing(features, for: [task])[0].scalars(), "\(name)")
    }
}
