import PandoTensor

/// A part of a network: a value with parameters, perhaps buffers, perhaps children.
///
/// Modules are structs. Copying a backbone and replacing one layer shares every other weight. There is no mode and
/// nothing to freeze: frozen means *not the argument of* `valueAndGradients(of:)`.
public protocol Module: Sendable {
    /// Presents every parameter, buffer and child, in declaration order, under its checkpoint name.
    mutating func visit(_ visitor: inout some Visitor)
}

/// Something done to every tensor of a module: loading, saving, counting, updating.
public protocol Visitor {
    /// A tensor that training may change.
    mutating func parameter(_ name: String, _ tensor: inout Tensor)
    /// A tensor that belongs to the module but is not trained: running statistics, position tables.
    mutating func buffer(_ name: String, _ tensor: inout Tensor)
    /// A child, with everything inside it.
    mutating func module(_ name: String, _ child: inout some Module)
    /// Called before and after what lies inside the child `name`.
    mutating func enter(_ name: String)
    mutating func leave()
}

extension Visitor {
    public mutating func enter(_ name: String) {}
    public mutating func leave() {}

    /// Visits a child.
    public mutating func module(_ name: String, _ child: inout some Module) {
        enter(name)
        child.visit(&self)
        leave()
    }

    /// Visits the children of a list under the names `name.0`, `name.1`, …
    public mutating func modules(_ name: String, _ children: inout [some Module]) {
        enter(name)
        for index in children.indices { module(String(index), &children[index]) }
        leave()
    }

    /// Visits a child that not every such module has.
    public mutating func module(_ name: String, _ child: inout (some Module)?) {
        guard var present = child else { return }
        child = nil  // one reference only, as for parameters
        module(name, &present)
        child = present
    }

    /// Visits a parameter that not every such module has.
    public mutating func parameter(_ name: String, _ tensor: inout Tensor?) {
        guard var present = tensor else { return }
        tensor = nil  // one reference only, so that the visitor may change it in place
        parameter(name, &present)
        tensor = present
    }
}

extension Module {
    /// Every parameter and buffer under its full name, in declaration order.
    public var namedTensors: [(name: String, tensor: Tensor, isParameter: Bool)] {
        var copy = self
        var visitor = Collector()
        copy.visit(&visitor)
        return visitor.found
    }

    /// The parameters, in declaration order.
    public var parameters: [Tensor] { namedTensors.filter(\.isParameter).map(\.tensor) }

    /// The number of trainable numbers.
    public var parameterCount: Int { parameters.reduce(0) { $0 + $1.elementCount } }

    /// Replaces every parameter by what `transform` makes of it.
    public mutating func updateParameters(_ transform: @escaping (_ name: String, _ tensor: Tensor) -> Tensor) {
        var visitor = Updater(transform: transform)
        visit(&visitor)
    }

    /// The same module with every floating-point tensor cast to `type`.
    public func cast(to type: ElementType) -> Self {
        var copy = self
        var visitor = Updater(includingBuffers: true) { _, tensor in
            tensor.elementType.isFloatingPoint ? tensor.cast(to: type) : tensor
        }
        copy.visit(&visitor)
        return copy
    }
}

/// The names entered so far, joined by dots.
struct Path {
    private var parts: [String] = []

    mutating func enter(_ name: String) { parts.append(name) }
    mutating func leave() { parts.removeLast() }

    func callAsFunction(_ name: String) -> String { parts.isEmpty ? name : parts.joined(separator: ".") + "." + name }
}

private struct Collector: Visitor {
    var path = Path()
    var found: [(name: String, tensor: Tensor, isParameter: Bool)] = []

    mutating func parameter(_ name: String, _ tensor: inout Tensor) { found.append((path(name), tensor, true)) }
    mutating func buffer(_ name: String, _ tensor: inout Tensor) { found.append((path(name), tensor, false)) }
    mutating func enter(_ name: String) { path.enter(name) }
    mutating func leave() { path.leave() }
}

private struct Updater: Visitor {
    var path = Path()
    var includingBuffers = false
    let transform: (String, Tensor) -> Tensor

    mutating func parameter(_ name: String, _ tensor: inout Tensor) { tensor = transform(path(name), tensor) }
    mutating func buffer(_ name: String, _ tensor: inout Tensor) {
        if includingBuffers { tensor = transform(path(name), tensor) }
    }
    mutating func enter(_ name: String) { path.enter(name) }
    mutating func leave() { path.leave() }
}
