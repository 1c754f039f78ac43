import Foundation
import PandoTensor

/// Which layers of a network get low-rank adapters, and of which rank and strength: PEFT's `LoraConfig`.
public struct LoRAConfiguration: Sendable, Hashable {
    /// Which modules a rule means.
    public enum Targets: Sendable, Hashable, CustomStringConvertible {
        /// A module of this name, or whose name ends in a dot and this.
        case names([String])
        /// A regular expression that matches the whole name.
        case pattern(String)
        /// Every linear layer.
        case allLinear

        /// As in `query, value`.
        public var description: String {
            switch self {
            case .names(let names): names.joined(separator: ", ")
            case .pattern(let pattern): "the pattern \(pattern)"
            case .allLinear: "all-linear"
            }
        }
    }

    /// Biases that are trained beside the adapters.
    public enum Bias: String, Sendable, Hashable, CaseIterable {
        case none, all
        case adaptedOnly = "lora_only"
    }

    public var rank: Int
    public var alpha: Double
    public var targets: Targets
    public var excluded: Targets?
    /// Blocks that are adapted, by number; `nil` for all.
    public var layers: [Int]?
    /// Names of the list of blocks that `layers` counts; empty for any.
    public var layerLists: [String]
    /// Ranks and strengths of modules whose name ends in a key, which is a regular expression.
    public var rankPattern: [String: Int]
    public var alphaPattern: [String: Double]
    /// Whether the update is scaled by `alpha / √rank` (Kalajdzievski 2023, arXiv:2312.03732) instead of `alpha / rank`.
    public var usesRankStabilizedScale: Bool
    /// Whether each row's length is trained apart from its direction (DoRA).
    public var tracksMagnitude: Bool
    public var hasUpBias: Bool
    public var bias: Bias
    /// Whole modules that were trained and are stored beside the adapters.
    public var savedModules: [String]
    /// The adapted model, as the file names it.
    public var baseModel: String?
    /// What PEFT calls the kind of task, as in `SEQ_CLS`.
    public var taskType: String?

    public init(
        rank: Int = 8, alpha: Double? = nil, targets: Targets, rankPattern: [String: Int] = [:],
        alphaPattern: [String: Double] = [:], usesRankStabilizedScale: Bool = false, tracksMagnitude: Bool = false
    ) {
        (self.rank, self.alpha, self.targets) = (rank, alpha ?? Double(rank), targets)
        (self.rankPattern, self.alphaPattern) = (rankPattern, alphaPattern)
        self.usesRankStabilizedScale = usesRankStabilizedScale
        self.tracksMagnitude = tracksMagnitude
        layerLists = []
        hasUpBias = false
        bias = .none
        savedModules = []
    }

    /// Whether a module is adapted; `name` is the network's own, without PEFT's prefix.
    func isTarget(_ name: String, isLinear: Bool) throws(AdapterError) -> Bool {
        if let excluded, try Self.matches(excluded, name, isLinear) { return false }
        guard try Self.matches(targets, name, isLinear) else { return false }
        guard let layers else { return true }
        guard let number = layerNumber(in: name) else { return false }
        return layers.contains(number)
    }

    /// The rank of the adapter of a module.
    func rank(of name: String) throws(AdapterError) -> Int { try Self.value(for: name, in: rankPattern) ?? rank }

    /// What the update of a module is multiplied by.
    func scale(of name: String) throws(AdapterError) -> Float {
        let (rank, alpha) = (Double(try rank(of: name)), try Self.value(for: name, in: alphaPattern) ?? alpha)
        return Float(usesRankStabilizedScale ? alpha / rank.squareRoot() : alpha / rank)
    }

    private static func matches(_ targets: Targets, _ name: String, _ isLinear: Bool) throws(AdapterError) -> Bool {
        switch targets {
        case .names(let names): names.contains { name == $0 || name.hasSuffix("." + $0) }
        case .pattern(let pattern): try wholly(pattern, name)
        case .allLinear: isLinear
        }
    }

    /// The number of the block that a module lies in, by PEFT's rule: the first after a list's name; where no list is
    /// named, the first after two other words at least.
    private func layerNumber(in name: String) -> Int? {
        let parts = name.split(separator: ".")
        return parts.indices.dropLast().first { index in
            guard index > 0, Int(parts[index]) != nil else { return false }
            return layerLists.isEmpty ? index > 1 : layerLists.contains(String(parts[index - 1]))
        }.flatMap { Int(parts[$0]) }
    }

    /// PEFT's rule for patterns: a key is a regular expression that must match the end of the name, from a dot on.
    private static func value<Value>(for name: String, in pattern: [String: Value]) throws(AdapterError) -> Value? {
        for key in pattern.keys.sorted() where try isMeant(name, by: key) { return pattern[key] }
        return nil
    }

    static func isMeant(_ name: String, by key: String) throws(AdapterError) -> Bool {
        try wholly("(.*\\.)?(\(key))", name)
    }

    private static func wholly(_ pattern: String, _ name: String) throws(AdapterError) -> Bool {
        do {
            let expression = try NSRegularExpression(pattern: "^(?:\(pattern))$")
            return expression.firstMatch(in: name, range: NSRange(name.startIndex..., in: name)) != nil
        } catch {
            throw AdapterError("the configuration", "'\(pattern)' is no regular expression")
        }
    }
}
