import PandoNN
import PandoTensor

extension Architecture {
    /// A network with weights, and how they were found.
    struct Loaded {
        /// With the sizes that the weights turned out to have.
        var architecture: Architecture
        var network: any Module
        var dialect: String
        var ignored: [String]
    }

    /// The network with random weights, to be trained from nothing.
    public func makeNetwork(seed: UInt64) -> any Module {
        func initialized(_ configuration: some BackboneConfiguration) -> any Module {
            var network = configuration.makeNetwork()
            network.initialize(configuration.initialization, seed: seed)
            return network
        }
        return initialized(configuration)
    }

    /// The network, its weights all zero.
    ///
    /// - Precondition: it can be built without its file.
    var blankNetwork: any Module {
        func blank(_ configuration: some BackboneConfiguration) -> any Module { configuration.makeNetwork() }
        return blank(configuration)
    }

    /// The network for pictures with random weights, to be trained from nothing.
    /// - Throws: `BackboneError` if it sees no pictures, or none of this size.
    public func makeImageBackbone(forPicturesOf side: Int? = nil, seed: UInt64) throws(BackboneError) -> any ImageBackbone {
        guard let network = try resized(to: side).makeNetwork(seed: seed) as? any ImageBackbone else {
            throw BackboneError(name, "sees no pictures")
        }
        return network
    }

    /// The architecture for pictures of `side` pixels; the same for `nil`.
    /// - Throws: `BackboneError` if it sees no pictures, or none of this size.
    public func resized(to side: Int?) throws(BackboneError) -> Architecture {
        guard let side else { return self }
        guard let image else { throw BackboneError(name, "sees no pictures") }
        if let problem = image.problem(withPicturesOf: side) { throw BackboneError(name, problem) }
        if let pair = configuration as? any ImageTextBackboneConfiguration {
            return Architecture(name: name, pair.resized(to: side))
        }
        return Architecture(name: name, image.resized(to: side))
    }

    /// The network with these weights, whoever named them.
    ///
    /// - Throws: `WeightMismatch`, or `BackboneError` for pictures of a size that the network cannot see.
    func loaded(_ weights: [String: Tensor], from source: String, forPicturesOf side: Int? = nil) throws -> Loaded {
        func load<Configuration: BackboneConfiguration>(_ configuration: Configuration) throws -> Loaded {
            let dialect = Self.dialect(of: weights, for: configuration)
            var translated = dialect.translated(weights)
            let fitted = configuration.fitted(to: translated.tensors.mapValues(\.shape))
            var network = fitted.makeNetwork()
            for (name, own, _) in network.namedTensors {
                guard let tensor = translated.tensors[name], tensor.shape != own.shape,
                    tensor.shape.filter({ $0 != 1 }) == own.shape.filter({ $0 != 1 })
                else { continue }
                translated.tensors[name] = tensor.reshaped(own.shape)
            }
            if !translated.problems.isEmpty { throw WeightMismatch(source: source, problems: translated.problems) }
            let names = weights.keys
            try network.load(translated.tensors, from: source, sourceName: { name in
                translated.sources[name]?.joined(separator: " + ")
                    ?? dialect.theirs(name, among: names, heads: Configuration.classifierNames)
            })
            return Loaded(
                architecture: Architecture(name: name, fitted), network: network, dialect: dialect.name,
                ignored: translated.ignored)
        }
        var loaded = try load(configuration)
        guard let side else { return loaded }
        loaded.architecture = try loaded.architecture.resized(to: side)
        if let image = loaded.network as? any ImageBackbone { loaded.network = image.resized(to: side) }
        if let pair = loaded.network as? any ImageTextBackbone { loaded.network = pair.resized(to: side) }
        return loaded
    }

    /// The dialect under whose rules most of the names are the network's.
    private static func dialect(of weights: [String: Tensor], for configuration: some BackboneConfiguration) -> Dialect {
        let own = Set(configuration.makeNetwork().namedTensors.map(\.name))
        let scored = (configuration.dialects + [.own]).map { ($0, $0.score(weights.keys, against: own)) }
        return scored.max { ($0.1.known, -$0.1.unknown) < ($1.1.known, -$1.1.unknown) }!.0
    }
}
