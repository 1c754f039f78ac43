import PandoBackbones
import PandoNN
import PandoTensor

/// Several activations of one backbone that an adapter reads side by side, in order of depth: all tokens, or all maps.
struct StateTaps: Sendable {
    let taps: [Tap]

    var names: [Tap.Name] { taps.map(\.name) }
    var channels: [Int] { taps.map(\.channels) }
    /// The deepest one.
    var last: Tap { taps[taps.count - 1] }

    /// A quarter of the deepest tokens' channels, in eights; 64 for maps: what papers give a network beside the backbone.
    var sideWidth: Int { rates == nil ? max(8, (last.channels / 4 + 4) / 8 * 8) : 64 }

    /// How many places of each map lie side by side in one of the deepest; `nil` for tokens.
    let rates: [Int]?

    /// The taps called `names`, or those that adapters read unless a plan says otherwise: every state of a transformer,
    /// the last map of each stride of a convolutional network, from four pixels on.
    ///
    /// - Parameter count: how many of the backbone's taps come into question; all of them if `nil`.
    /// - Throws: `AdapterError` of `adapter` if there are no such taps, if they are of two kinds, or fewer than `minimum`.
    init(
        of backbone: any Backbone, named names: [Tap.Name] = [], among count: Int? = nil, atLeast minimum: Int,
        for adapter: String
    ) throws(AdapterError) {
        let all = Array(backbone.taps.prefix(count ?? backbone.taps.count))
        let unknown = names.filter { name in !all.contains { $0.name == name } }
        guard unknown.isEmpty else {
            throw AdapterError(
                adapter, "it cannot read the taps \(unknown); there are \(all.map(\.name)) to choose from")
        }
        let chosen = names.isEmpty ? Self.usual(all) : all.filter { names.contains($0.name) }
        guard Set(chosen.map(\.isMap)).count <= 1 else {
            throw AdapterError(
                adapter, "the taps \(chosen.map(\.name)) are tokens and maps; it reads one or the other: name such taps")
        }
        guard chosen.count >= minimum else {
            throw AdapterError(
                adapter,
                "it needs \(minimum) or more activations of the backbone and has \(chosen.map(\.name)); "
                    + "`mlp` and `probe` need none, and there are \(all.map(\.name)) to name")
        }
        self.init(chosen)
    }

    private init(_ taps: [Tap]) {
        self.taps = taps
        let strides = taps.compactMap { if case .map(let stride) = $0.kind { stride } else { nil } }
        rates = strides.isEmpty ? nil : strides.map { max(1, strides[strides.count - 1] / max($0, 1)) }
    }

    private static func usual(_ all: [Tap]) -> [Tap] {
        guard let last = all.last else { return [] }
        let alike = all.filter { $0.isMap == last.isMap }
        guard last.isMap else { return alike }
        let ends = alike.indices.filter { $0 + 1 == alike.count || alike[$0].kind != alike[$0 + 1].kind }.map { alike[$0] }
        let coarse = ends.filter { if case .map(let stride) = $0.kind { stride >= 4 } else { false } }
        return coarse.count > 1 ? coarse : ends
    }
}

extension Tap {
    var isMap: Bool { if case .map = kind { true } else { false } }
}

extension Features {
    /// The activations at these taps.
    subscript(taps: [Tap.Name]) -> [Tensor] { taps.map { self[$0] } }
}

extension Tensor {
    /// A map's places one after another, `[N, H, W, C]` → `[N, H · W, C]`; tokens as they are.
    var places: Tensor { rank == 4 ? reshaped(shape[0], shape[1] * shape[2], shape[3]) : self }

    /// The mean over the last axis but one, of what `mask` shows.
    ///
    /// - Shapes: `[N, …, T, C]`, mask `[N, T]` of 1 and 0 → `[N, …, C]`.
    func maskedMean(_ mask: Tensor?) -> Tensor {
        guard let mask else { return mean(along: [rank - 2]) }
        let present = mask.cast(to: elementType)
        let middle = [Int](repeating: 1, count: rank - 3)
        let sum = matmul(present.reshaped([shape[0]] + middle + [1, present.shape[1]]), self).squeezed(rank - 2)
        let counts = mask.cast(to: .float32).sum(along: [1]).clamped(1...).cast(to: elementType)
        return sum / counts.reshaped([shape[0]] + middle + [1])
    }

    /// Numbers that are not negative as shares of their sum along `axis`; zeros where all are zero.
    func sharesOfSum(along axis: Int, epsilon: Float) -> Tensor {
        self / (sum(along: [axis], keepingAxes: true) + epsilon)
    }
}
