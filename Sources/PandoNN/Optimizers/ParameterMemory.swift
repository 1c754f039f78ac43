import PandoTensor

/// What an optimizer remembers for each parameter: a few tensors with names, by the parameter's position.
///
/// A parameter that was never moved has none.
struct ParameterMemory: Sendable {
    /// Names of the tensors of one parameter.
    let names: [String]
    private var tensors: [[Tensor]] = []

    init(_ names: String...) { self.names = names }

    /// Makes room for as many parameters as there are gradients.
    mutating func prepare(for gradients: Gradients, of optimizer: String) {
        if tensors.isEmpty { tensors = Array(repeating: [], count: gradients.tensors.count) }
        require(
            tensors.count == gradients.tensors.count,
            "\(optimizer): the state remembers \(tensors.count) parameters, the module has \(gradients.tensors.count)")
    }

    /// Calls `body` with what is remembered for the parameter at `position`, which `make` makes at first.
    mutating func update(
        at position: Int, _ make: @autoclosure () -> [Tensor], _ body: (UnsafeMutableBufferPointer<Tensor>) -> Void
    ) {
        if tensors[position].isEmpty { tensors[position] = make() }
        tensors[position].withUnsafeMutableBufferPointer { body($0) }
        for tensor in tensors[position] { tensor.counted(as: .optimizer) }
    }

    /// Every tensor under `position.name`, and how many parameters there are.
    var state: [String: Tensor] {
        get {
            var state: [String: Tensor] = [:]
            for (position, remembered) in tensors.enumerated() {
                for (name, tensor) in zip(names, remembered) { state["\(position).\(name)"] = tensor }
            }
            if !tensors.isEmpty { state["parameters"] = Tensor(Int64(tensors.count)) }
            return state
        }
        set {
            // A state without that number remembers every parameter.
            let count = newValue["parameters"].map { Int($0.scalar(as: Int64.self)) } ?? countRemembered(in: newValue)
            tensors = (0..<count).map { position in names.compactMap { newValue["\(position).\($0)"] } }
        }
    }

    private func countRemembered(in state: [String: Tensor]) -> Int {
        var count = 0
        while state["\(count).\(names[0])"] != nil { count += 1 }
        return count
    }
}
