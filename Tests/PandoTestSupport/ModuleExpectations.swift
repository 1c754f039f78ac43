import PandoNN
import PandoTensor
import Testing

/// Expects `visit` to present every tensor that `module` holds, once, each under a name of its own, and to write back
/// what a visitor changes.
///
/// Tensors are counted through reflection, in arrays, optionals and nested types: what `visit` forgets is found here.
public func expectVisitsEveryTensor<M: Module>(_ module: M, sourceLocation: SourceLocation = #_sourceLocation) {
    let names = module.namedTensors.map(\.name)
    let held = heldTensors(module, at: "\(M.self)")
    #expect(
        names.count == held.count, "visit presents \(names), the module holds \(held.map(\.path))",
        sourceLocation: sourceLocation)
    #expect(Set(names).count == names.count, "two tensors share a name: \(names)", sourceLocation: sourceLocation)
    // A tensor presented twice would hide one that is forgotten: each value must be its own.
    var marked = module
    var marker = Marker()
    marked.visit(&marker)
    let marks = heldTensors(marked, at: "").map { $0.tensor.shape }
    #expect(
        Set(marks) == Set((0..<names.count).map { [0, $0] }),
        "visit presents a tensor twice or leaves one out, of \(held.map(\.path))", sourceLocation: sourceLocation)
}

/// Replaces each tensor by one that tells when it was visited.
private struct Marker: Visitor {
    var count = 0

    mutating func parameter(_ name: String, _ tensor: inout Tensor) {
        tensor = .zeros([0, count])
        count += 1
    }

    mutating func buffer(_ name: String, _ tensor: inout Tensor) { parameter(name, &tensor) }
}

/// Every tensor in `value`, however deep, with the path of properties to it.
private func heldTensors(_ value: Any, at path: String) -> [(path: String, tensor: Tensor)] {
    if let tensor = value as? Tensor { return [(path, tensor)] }
    return Mirror(reflecting: value).children.enumerated().flatMap { position, child in
        heldTensors(child.value, at: path + "." + (child.label ?? String(position)))
    }
}
