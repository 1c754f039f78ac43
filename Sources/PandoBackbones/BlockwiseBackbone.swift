import PandoNN
import PandoTensor

/// A backbone that is a chain of blocks with a tap behind each, so that a pass can begin in its middle.
///
/// What comes before that middle is frozen and can be stored; only what follows needs to be run, and differentiated. A
/// whole pass and a continued one run the same blocks, and give the same bits.
public protocol BlockwiseBackbone: Backbone {
    /// What the first block reads: the pictures themselves, or the embeddings of patches or tokens.
    /// - Precondition: the input is of the network's kind.
    func embedded(_ input: BackboneInput, during pass: TrainingPass?) -> Tensor

    /// The activation at the tap in place `index`, from that at the tap before it; at the first, from what is embedded.
    ///
    /// No block knows how many tokens there are: an adapter may add some of its own between two of them.
    /// - Parameter mask: which tokens are tokens, `[N, T]` of 1 and 0; `nil` where all are, or places of a map.
    func block(_ index: Int, _ state: Tensor, mask: Tensor?, during pass: TrainingPass?) -> Tensor

    /// The pooled vector, from the activation at the last tap: `[N, pooledFeatures]`.
    ///
    /// It reads the network's own tokens: what an adapter added is taken away before.
    /// - Parameter mask: that of `Features`, or as `mask(of:)` gives it.
    func pooled(_ last: Tensor, mask: Tensor?) -> Tensor

    /// For each tap the path of the module that its block ends with. What `visit` presents before that and behind the
    /// block before belongs to the block, too.
    var blockPaths: [String] { get }
}

extension BlockwiseBackbone {
    /// The names of the taps, where blocks stand under them.
    public var blockPaths: [String] { taps.map(\.name) }

    /// The activation at a tap, from that at an earlier one.
    ///
    /// - Parameters:
    ///   - state: the activation at `start`.
    ///   - mask: which tokens are tokens, `[N, T]` of 1 and 0; `nil` where all are, or places of a map.
    /// - Precondition: `start` is `target` or comes before it; `state` has the shape of an activation at `start`.
    public func activation(
        at target: Tap.Name, from start: Tap.Name, _ state: Tensor, mask: Tensor? = nil, during pass: TrainingPass? = nil
    ) -> Tensor {
        let (first, last) = (tapIndex(of: start), tapIndex(of: target))
        require(first <= last, "\(Self.self): tap \(target) comes before \(start), where the pass would begin")
        return run(resuming(state, at: first), through: first + 1..<last + 1, mask: mask, during: pass).last
    }

    /// The rest of a pass from the activation at a tap: those of the taps asked for that do not come before it, and the
    /// pooled vector.
    ///
    /// - Parameter mask: as `Features` of the pass's beginning have it.
    public func features(
        continuing state: Tensor, from start: Tap.Name, mask: Tensor? = nil, reading names: Set<Tap.Name> = [],
        during pass: TrainingPass? = nil
    ) -> Features {
        requireTaps(names)
        let first = tapIndex(of: start)
        var rest = run(
            resuming(state, at: first), through: first + 1..<taps.count, mask: mask, reading: names, during: pass)
        if names.contains(start) { rest.read[start] = state }
        return Features(taps: rest.read, pooled: pooled(rest.last, mask: mask), mask: mask)
    }

    /// The activations at taps and nothing else: no block behind the deepest of them is run, and nothing is pooled.
    public func activations(
        of input: BackboneInput, reading names: Set<Tap.Name>, during pass: TrainingPass? = nil
    ) -> Features {
        requireTaps(names)
        let depth = taps.lastIndex { names.contains($0.name) }.map { $0 + 1 } ?? 0
        let nothing = Tensor.zeros([input.count, 0])
        if depth == 0 { return Features(pooled: nothing, mask: mask(of: input)) }
        let read = run(
            embedded(input, during: pass), through: 0..<depth, mask: input.attentionMask, reading: names, during: pass
        ).read
        return Features(taps: read, pooled: nothing, mask: mask(of: input))
    }

    /// The first tap whose activation depends on the parameter or buffer `name`, by its place in `taps`; `taps.count`
    /// for what comes into play only after the last of them.
    ///
    /// `visit` presents tensors in the order of their use, so that is the block of the next tensor that is in one.
    /// - Precondition: the network has such a tensor.
    public func tapIndex(ofTensor name: String) -> Int {
        let names = namedTensors.map(\.name)
        guard let place = names.firstIndex(of: name) else { stop("\(Self.self) has no tensor \(name)") }
        let prefixes = blockPaths.map { $0 + "." }
        for name in names[place...] {
            if let index = prefixes.firstIndex(where: name.hasPrefix) { return index }
        }
        return prefixes.count
    }

    /// The place of a tap in `taps`.
    /// - Precondition: there is such a tap.
    public func tapIndex(of name: Tap.Name) -> Int {
        guard let index = taps.firstIndex(where: { $0.name == name }) else {
            stop("\(Self.self) has no tap \(name); it has \(taps.map(\.name))")
        }
        return index
    }

    /// All blocks, from an input to the pooled vector.
    func wholePass(_ input: BackboneInput, reading names: Set<Tap.Name>, during pass: TrainingPass?) -> Features {
        wholePass(from: embedded(input, during: pass), of: input, reading: names, during: pass)
    }

    /// All blocks, from what the first of them reads to the pooled vector.
    func wholePass(
        from state: Tensor, of input: BackboneInput, reading names: Set<Tap.Name>, during pass: TrainingPass?
    ) -> Features {
        requireTaps(names)
        let whole = run(state, through: 0..<taps.count, mask: input.attentionMask, reading: names, during: pass)
        let mask = mask(of: input)
        return Features(taps: whole.read, pooled: pooled(whole.last, mask: mask), mask: mask)
    }

    /// Some blocks, one after another.
    private func run(
        _ state: Tensor, through blocks: Range<Int>, mask: Tensor?, reading names: Set<Tap.Name> = [],
        during pass: TrainingPass?
    ) -> (last: Tensor, read: [Tap.Name: Tensor]) {
        let taps = taps
        var last = state
        var read: [Tap.Name: Tensor] = [:]
        for index in blocks {
            last = block(index, last, mask: mask, during: pass)
            if names.contains(taps[index].name) { read[taps[index].name] = last }
        }
        return (last, read)
    }

    /// `state`, if it can be an activation at the tap in place `index`.
    private func resuming(_ state: Tensor, at index: Int) -> Tensor {
        let tap = taps[index]
        require(
            state.rank == (tap.kind == .tokens ? 3 : 4) && state.shape.last == tap.channels,
            "\(Self.self): an activation at tap \(tap.name) is \(tap.kind) of \(tap.channels) channels, got \(state.shape)")
        return state
    }
}

extension ImageBackbone where Self: BlockwiseBackbone {
    public func features(of pictures: Tensor, reading names: Set<Tap.Name>, during pass: TrainingPass?) -> Features {
        wholePass(.pictures(pictures), reading: names, during: pass)
    }
}

extension TextBackbone where Self: BlockwiseBackbone {
    public func features(of texts: TokenTensors, reading names: Set<Tap.Name>) -> Features {
        wholePass(.texts(texts), reading: names, during: nil)
    }
}
