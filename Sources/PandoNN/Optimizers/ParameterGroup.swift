import PandoTensor

/// Parameters that an optimizer treats in a way of their own.
///
/// An optimizer holds a list of groups; a parameter belongs to the first that takes it, and is treated as usual if none
/// does. `[.frozen("backbone.*"), .withoutDecay]` trains what lies outside the backbone, with weight decay for
/// matrices and kernels alone.
public struct ParameterGroup: Sendable, Hashable {
    /// Which parameters belong to a group.
    public enum Members: Sendable, Hashable {
        /// Those whose full name fits the pattern: `*` stands for any characters, `?` for one.
        case named(String)
        /// Those of at most one axis: biases, the scales and shifts of norms.
        case vectors
        /// Those of at most one axis whose full name fits the pattern.
        case namedVectors(String)
        case all
    }

    public var members: Members
    /// What the optimizer's learning rate is multiplied by.
    public var learningRateScale: Float
    /// Whether the optimizer's weight decay applies.
    public var decays: Bool
    /// Whether the parameters stay as they are; the optimizer then remembers nothing for them.
    public var isFrozen: Bool

    public init(_ members: Members, learningRateScale: Float = 1, decays: Bool = true, isFrozen: Bool = false) {
        self.members = members
        self.learningRateScale = learningRateScale
        self.decays = decays
        self.isFrozen = isFrozen
    }

    /// Biases and the parameters of norms, without weight decay.
    public static let withoutDecay = ParameterGroup(.vectors, decays: false)

    /// Parameters that stay as they are.
    public static func frozen(_ pattern: String) -> ParameterGroup {
        ParameterGroup(.named(pattern), isFrozen: true)
    }

    static let usual = ParameterGroup(.all)

    func contains(_ name: String, _ tensor: Tensor) -> Bool {
        switch members {
        case .named(let pattern): fits(name.utf8[...], pattern.utf8[...])
        case .vectors: tensor.rank <= 1
        case .namedVectors(let pattern): tensor.rank <= 1 && fits(name.utf8[...], pattern.utf8[...])
        case .all: true
        }
    }
}

/// Whether `name` fits `pattern`, in which `*` stands for any characters and `?` for one.
private func fits(_ name: Substring.UTF8View, _ pattern: Substring.UTF8View) -> Bool {
    var (name, pattern) = (name, pattern)
    // Where to go on if the last star is to take one character more.
    var retry: (name: Substring.UTF8View, pattern: Substring.UTF8View)?
    while let character = name.first {
        if pattern.first == UInt8(ascii: "*") {
            pattern.removeFirst()
            retry = (name, pattern)
        } else if let wanted = pattern.first, wanted == character || wanted == UInt8(ascii: "?") {
            name.removeFirst()
            pattern.removeFirst()
        } else if let last = retry {
            name = last.name.dropFirst()
            pattern = last.pattern
            retry = (name, pattern)
        } else {
            return false
        }
    }
    return pattern.allSatisfy { $0 == UInt8(ascii: "*") }
}
