import PandoBackbones
import PandoTensor

/// What tasks share, compiled to run fast and only forward.
///
/// Programs are compiled at the first use of each shape and kept; any number of threads may call at once.
public final class FrozenSharing: Sendable {
    public let sharing: any Sharing
    /// The tasks whose vectors are made, in order.
    public let tasks: [Int]
    private let programs: ProgramCache

    /// - Precondition: `precision` is `.float32` or `.bfloat16`; no task stands twice.
    public init(_ sharing: any Sharing, for tasks: [Int]? = nil, precision: ElementType = .float32) {
        let asked = tasks ?? Array(0..<sharing.taskCount)
        let request = sharing.request
        (self.sharing, self.tasks) = (sharing, asked)
        programs = ProgramCache(precision: precision) { values in
            sharing(Features(unpacking: values, for: request), for: asked)
        }
    }

    /// The vectors that the tasks' heads read.
    ///
    /// - Shapes: features of `N` examples, with what the policy asks for → for each task `[N, featureCount]`, `float32`.
    public func callAsFunction(_ features: Features, threads: Int = 1) -> [Tensor] {
        programs(features.packed(for: sharing.request), threads: threads).map { $0.cast(to: .float32) }
    }
}

extension Features {
    /// The tensors of what is asked for: input, vector, taps, and last the mask, where there is one.
    fileprivate func packed(for request: FeatureRequest) -> [Tensor] {
        var values: [Tensor] = []
        if request.input {
            switch input {
            case .pictures(let pictures): values.append(pictures)
            case .texts(let texts): values += [texts.ids, texts.attentionMask.cast(to: .float32)]
            case nil: stop("FrozenSharing: the policy runs the whole network, and there is no input")
            }
        }
        if request.vector { values.append(pooled) }
        values += request.taps.map { self[$0] }
        if let mask, !request.input { values.append(mask) }
        return values
    }

    /// - Parameter values: as `packed(for:)` orders them.
    fileprivate init(unpacking values: [Tensor], for request: FeatureRequest) {
        var rest = values[...]
        let count = values[0].shape[0]
        var input: BackboneInput?
        if request.input {
            let first = rest.removeFirst()
            input = first.elementType == .float32
                ? .pictures(first) : .texts(TokenTensors(ids: first, attentionMask: rest.removeFirst(), typeIDs: nil))
        }
        let pooled = request.vector ? rest.removeFirst() : Tensor.zeros([count, 0])
        let taps = Dictionary(uniqueKeysWithValues: request.taps.map { ($0, rest.removeFirst()) })
        self.init(taps: taps, pooled: pooled, mask: rest.first, input: input)
    }
}
