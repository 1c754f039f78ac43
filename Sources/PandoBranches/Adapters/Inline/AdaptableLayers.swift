import PandoNN
import PandoTensor

/// A layer of a network that an adapter can stand beside.
struct AdaptableLayer {
    enum Kind: Hashable { case linear, convolution }

    let kind: Kind
    let weight: Tensor
    let hasBias: Bool
    /// Of a convolution; 1 else.
    let groups: Int
}

/// A norm with a weight for each channel.
protocol ChannelNorm: Module {
    var weight: Tensor { get set }
    /// What is added behind; `nil` for a norm without.
    var shift: Tensor? { get set }
}

extension RMSNorm: ChannelNorm {
    var shift: Tensor? {
        get { nil }
        set { require(newValue == nil, "RMSNorm adds nothing") }
    }
}

/// A norm with a bias for each channel.
protocol BiasedNorm: ChannelNorm {
    var bias: Tensor { get set }
}

extension BiasedNorm {
    var shift: Tensor? {
        get { bias }
        set { bias = newValue ?? .zeros(bias.shape) }
    }
}

extension LayerNorm: BiasedNorm {}
extension BatchNorm: BiasedNorm {}
extension GroupNorm: BiasedNorm {}

extension Module {
    /// The linear layers and two-dimensional convolutions, by path.
    var adaptableLayers: [String: AdaptableLayer] {
        var copy = self
        var finder = LayerFinder()
        copy.visit(&finder)
        return finder.found
    }

    /// The norms with a weight for each channel, by path.
    var norms: [String: any ChannelNorm] {
        var copy = self
        var finder = LayerFinder()
        copy.visit(&finder)
        return finder.norms
    }

    /// The module with its linear layers, convolutions and norms replaced by what the closures make of them; `nil` keeps
    /// one.
    mutating func replaceLayers(
        linear: @escaping (String, Linear) -> Linear?,
        convolution: @escaping (String, Convolution2D) -> Convolution2D?,
        norm: @escaping (String, any ChannelNorm) -> (any ChannelNorm)? = { _, _ in nil }
    ) {
        var replacer = LayerReplacer(linear: linear, convolution: convolution, norm: norm)
        visit(&replacer)
    }
}

private struct LayerFinder: Visitor {
    private var path: [String] = []
    private(set) var found: [String: AdaptableLayer] = [:]
    private(set) var norms: [String: any ChannelNorm] = [:]

    mutating func module(_ name: String, _ child: inout some Module) {
        path.append(name)
        defer { path.removeLast() }
        let place = path.joined(separator: ".")
        if let linear = child as? Linear {
            found[place] = AdaptableLayer(
                kind: .linear, weight: linear.weight, hasBias: linear.bias != nil, groups: 1)
        } else if let convolution = child as? Convolution2D {
            found[place] = AdaptableLayer(
                kind: .convolution, weight: convolution.weight, hasBias: convolution.bias != nil, groups: convolution.groups)
        } else if let norm = child as? any ChannelNorm {
            norms[place] = norm
        } else {
            child.visit(&self)
        }
    }

    mutating func enter(_ name: String) { path.append(name) }
    mutating func leave() { path.removeLast() }
    mutating func parameter(_ name: String, _ tensor: inout Tensor) {}
    mutating func buffer(_ name: String, _ tensor: inout Tensor) {}
}

private struct LayerReplacer: Visitor {
    let linear: (String, Linear) -> Linear?
    let convolution: (String, Convolution2D) -> Convolution2D?
    let norm: (String, any ChannelNorm) -> (any ChannelNorm)?
    private var path: [String] = []

    init(
        linear: @escaping (String, Linear) -> Linear?, convolution: @escaping (String, Convolution2D) -> Convolution2D?,
        norm: @escaping (String, any ChannelNorm) -> (any ChannelNorm)?
    ) {
        (self.linear, self.convolution, self.norm) = (linear, convolution, norm)
    }

    mutating func module<Child: Module>(_ name: String, _ child: inout Child) {
        path.append(name)
        defer { path.removeLast() }
        let place = path.joined(separator: ".")
        if let layer = child as? Linear {
            if let new = linear(place, layer) as? Child { child = new }
        } else if let layer = child as? Convolution2D {
            if let new = convolution(place, layer) as? Child { child = new }
        } else if let layer = child as? any ChannelNorm {
            if let new = norm(place, layer) as? Child { child = new }
        } else {
            child.visit(&self)
        }
    }

    mutating func enter(_ name: String) { path.append(name) }
    mutating func leave() { path.removeLast() }
    mutating func parameter(_ name: String, _ tensor: inout Tensor) {}
    mutating func buffer(_ name: String, _ tensor: inout Tensor) {}
}
