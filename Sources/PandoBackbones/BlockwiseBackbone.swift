import PandoNN
import PandoTensor

/// A backbone that is a chain of blocks with a tap behind each, so that a pass can begin in its middle.
///
/// What comes before that middle is frozen and can be stored; only what follows needs to be run, and differentiated.
public protocol BlockwiseBackbone: Backbone {
    /// The activation at a tap, from that at an earlier one.
    ///
    /// - Parameters:
    ///   - state: the activation at `start`.
    ///   - mask: which tokens are tokens, `[N, T]`; `nil` where all are, or places of a map.
    /// - Precondition: `start` is `target` or comes before it.
    func activation(
        at target: Tap.Name, from start: Tap.Name, _ state: Tensor, mask: Tensor?, during pass: TrainingPass?) -> Tensor

    /// The pooled vector, from the activation at the last tap: `[N, pooledFeatures]`.
    func pooled(_ last: Tensor, mask: Tensor?) -> Tensor

    /// The first tap whose activation depends on the parameter or buffer `name`, by its place in `taps`; `taps.count`
    /// for what comes into play only after the last of them.
    func tapIndex(ofTensor name: String) -> Int
}

extension BlockwiseBackbone {
    /// The rest of a pass from the activation at a tap: the taps asked for that are deeper, and the pooled vector.
    public func features(
        continuing state: Tensor, from start: Tap.Name, mask: Tensor? = nil, reading names: Set<Tap.Name> = [],
        during pass: TrainingPass? = nil
    ) -> Features {
        requireTaps(names.union([start]))
        var (place, current) = (start, state)
        var read: [Tap.Name: Tensor] = [:]
        let last = taps[taps.count - 1].name
        for tap in taps where names.contains(tap.name) || tap.name == last {
            guard tap.depth >= (taps.first { $0.name == place }?.depth ?? 0) else { continue }
            current = activation(at: tap.name, from: place, current, mask: mask, during: pass)
            place = tap.name
            if names.contains(tap.name) { read[tap.name] = current }
        }
        return Features(taps: read, pooled: pooled(current, mask: mask), mask: mask)
    }
}
