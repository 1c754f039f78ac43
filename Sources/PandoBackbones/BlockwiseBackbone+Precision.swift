import PandoNN
import PandoTensor

/// Passes that compute in another type than the one weights came in, as training does.
extension BlockwiseBackbone {
    /// The network with its weights kept as `type`, for passes that compute in it.
    ///
    /// Tables that rows are looked up in stay as they are, and shared: the rows that a pass asks for are fewer.
    /// - Parameters:
    ///   - start: the place of the first tap whose block is going to be run; weights before it stay as they are.
    ///   - replaced: names of tensors that others will stand for. Here they take no memory.
    public func keepingWeights(
        as type: ElementType, fromBlock start: Int = 0, without replaced: Set<String> = []
    ) -> Self {
        let idle = start == 0 ? [] : namedTensors.map(\.name).filter { tapIndex(ofTensor: $0) < start }
        var network = self
        var keeper = WeightKeeper(type: type, shared: tables.union(idle), replaced: replaced)
        network.visit(&keeper)
        return network
    }

    /// A whole pass whose blocks compute in `type`, from what is embedded on.
    ///
    /// - Precondition: as for `features(of:reading:during:)`.
    public func features(
        of input: BackboneInput, computingIn type: ElementType, reading names: Set<Tap.Name> = [],
        during pass: TrainingPass? = nil
    ) -> Features {
        wholePass(from: embedded(input, during: pass).cast(to: type), of: input, reading: names, during: pass)
    }
}

extension Module {
    /// The names of the tables that rows are looked up in.
    public var tables: Set<String> {
        var (copy, finder) = (self, TableFinder())
        copy.visit(&finder)
        return finder.found
    }
}

private struct TableFinder: Visitor {
    private(set) var found: Set<String> = []
    private var path: [String] = []

    init() {}

    mutating func module<Child: Module>(_ name: String, _ child: inout Child) {
        path.append(name)
        if child is Embedding { found.insert((path + ["weight"]).joined(separator: ".")) } else { child.visit(&self) }
        path.removeLast()
    }
    mutating func parameter(_ name: String, _ tensor: inout Tensor) {}
    mutating func buffer(_ name: String, _ tensor: inout Tensor) {}
    mutating func enter(_ name: String) { path.append(name) }
    mutating func leave() { path.removeLast() }
}

private struct WeightKeeper: Visitor {
    let type: ElementType
    let shared, replaced: Set<String>
    private var path: [String] = []

    init(type: ElementType, shared: Set<String>, replaced: Set<String>) {
        (self.type, self.shared, self.replaced) = (type, shared, replaced)
    }

    mutating func parameter(_ name: String, _ tensor: inout Tensor) {
        guard tensor.elementType.isFloatingPoint else { return }
        let name = (path + [name]).joined(separator: ".")
        if replaced.contains(name) {
            tensor = .placeholder(tensor.shape, tensor.elementType)
        } else if !shared.contains(name) {
            tensor = tensor.cast(to: type)
        }
    }
    mutating func buffer(_ name: String, _ tensor: inout Tensor) { parameter(name, &tensor) }
    mutating func enter(_ name: String) { path.append(name) }
    mutating func leave() { path.removeLast() }
}
