import Foundation
import PandoTensor

/// What an ONNX model computes, up to certain values: a function of tensors.
///
/// Nodes run in order, on values that are known or on those of a trace. What depends on the shapes of the inputs alone
/// is computed while a program is traced and costs nothing when it runs; so one function serves every shape that the
/// model allows, each by a program of its own.
public struct ONNXFunction: Sendable {
    private struct Step: Sendable {
        let node: ONNXNode
        let run: OperatorImplementation
        /// Places of the inputs; -1 where one is left out.
        let inputs: [Int]
        let outputs: [Int]
        /// Places whose values nobody reads afterwards.
        let last: [Int]
    }

    /// What the model takes, in this order.
    public let inputs: [ONNXModel.Port]
    /// Names of the values that come out, in this order.
    public let outputs: [String]
    private let path: String
    private let operatorSet: Int
    private let steps: [Step]
    /// The constants, in the first places.
    private let constants: [ONNXValue]
    private let inputPlaces: [Int]
    private let outputPlaces: [Int]
    private let placeCount: Int
    private let channelsLast: Set<String>
    private let givesChannelsLast: Bool

    init(
        _ model: ONNXModel, _ names: [String], channelsLast: Set<String>, givesChannelsLast: Bool, isRewritten: Bool
    ) throws(ONNXError) {
        path = model.url.path
        inputs = model.inputs
        outputs = names
        operatorSet = model.operatorSet
        self.channelsLast = channelsLast
        self.givesChannelsLast = givesChannelsLast
        let graph = model.graph
        let made = Set(graph.nodes.flatMap(\.outputs)).union(graph.inputs.map(\.name)).union(graph.constants.keys)
        let unknown = names.filter { !made.contains($0) || $0.isEmpty }
        if !unknown.isEmpty {
            throw ONNXError(
                path: path,
                unknown.map {
                    .init(.graph, tensor: $0, "the model has no such value")
                })
        }
        var (nodes, known, aliases) = (graph.nodes, graph.constants, [String: String]())
        if isRewritten {
            var rewriter = Rewriter(graph, wanted: names, path: path)
            do { (nodes, known, aliases) = try rewriter.rewritten() } catch { throw Self.failure(error, path) }
        }
        var places: [String: Int] = [:]
        var constants: [ONNXValue] = []
        for (name, value) in known.sorted(by: { $0.key < $1.key }) {
            places[name] = constants.count
            constants.append(value.with(value.stored.counted(as: .weights)))
        }
        self.constants = constants
        var next = constants.count
        func place(_ name: String) -> Int {
            if let known = places[name] { return known }
            places[name] = next
            next += 1
            return next - 1
        }
        inputPlaces = graph.inputs.map { place($0.name) }
        var wired: [(node: ONNXNode, inputs: [Int], outputs: [Int])] = []
        for node in nodes {
            let inputs = node.inputs.map { $0.isEmpty ? -1 : place($0) }
            wired.append((node, inputs, node.outputs.map { $0.isEmpty ? -1 : place($0) }))
        }
        outputPlaces = names.map { place(aliases[$0] ?? $0) }
        placeCount = next
        // Who reads each value last.
        var lastReader: [Int: Int] = [:]
        for (index, step) in wired.enumerated() { for input in step.inputs { lastReader[input] = index } }
        for output in outputPlaces { lastReader[output] = nil }
        var ending = [[Int]](repeating: [], count: wired.count)
        for (place, index) in lastReader where place >= constants.count { ending[index].append(place) }
        steps = wired.enumerated().compactMap { index, step in
            OperatorTable.implementation(of: step.node).map {
                Step(node: step.node, run: $0, inputs: step.inputs, outputs: step.outputs, last: ending[index])
            }
        }
    }

    /// How often each operator runs, after those that belong together were put together.
    public var operatorCounts: [String: Int] { steps.reduce(into: [:]) { $0[$1.node.label, default: 0] += 1 } }

    // MARK: Running

    /// The values for `arguments`, one for each of `inputs`.
    ///
    /// - Throws: `ONNXError` naming the node if shapes or types do not fit.
    public func callAsFunction(_ arguments: [Tensor]) throws(ONNXError) -> [Tensor] {
        try values(arguments).map { value in
            value.rank >= 3 && givesChannelsLast && value.compact.hasChannelsLast ? value.compact.stored : value.tensor
        }
    }

    func shapes(forInputs shapes: [[Int]]) throws(ONNXError) -> [String: [Int]] {
        for shape in shapes where TensorReader.count(shape, limit: OperatorCall.elementLimit) == nil {
            throw ONNXError(path: path, [.init(.shape, "an input of shape \(shape) is no input that can be made")])
        }
        let arguments = zip(shapes, inputs).map { shape, input in
            input.elementType == .bool ? Tensor.zeros(shape) .!= 0 : Tensor.zeros(shape, input.elementType)
        }
        let values = try values(arguments)
        return Dictionary(zip(outputs, values.map(\.shape))) { first, _ in first }
    }

    private func values(_ arguments: [Tensor]) throws(ONNXError) -> [ONNXValue] {
        var values = [ONNXValue?](repeating: nil, count: placeCount)
        for (place, constant) in constants.enumerated() { values[place] = constant }
        let given = try checked(arguments)
        for (place, value) in zip(inputPlaces, given) { values[place] = value }
        for step in steps {
            let call = OperatorCall(
                node: step.node, inputs: step.inputs.map { $0 < 0 ? nil : values[$0] }, operatorSet: operatorSet)
            do {
                let results = try step.run(call)
                guard results.count >= step.outputs.count else {
                    throw call.fault("output \(results.count) is not computed", .unsupported)
                }
                for (place, result) in zip(step.outputs, results) where place >= 0 { values[place] = result }
            } catch { throw Self.failure(error, path) }
            for place in step.last { values[place] = nil }
        }
        var results: [ONNXValue] = []
        for (place, name) in zip(outputPlaces, outputs) {
            guard let value = values[place] else {
                throw ONNXError(path: path, [.init(.graph, tensor: name, "nothing has made this value")])
            }
            results.append(value)
        }
        return results
    }

    /// The arguments as values, held against what the file says of them.
    private func checked(_ arguments: [Tensor]) throws(ONNXError) -> [ONNXValue] {
        guard arguments.count == inputs.count else {
            throw ONNXError(
                path: path,
                [.init(.shape, "the model takes \(inputs.count) inputs (\(inputs.map(\.name).joined(separator: ", "))), got \(arguments.count)")])
        }
        var problems: [ONNXError.Problem] = []
        var values: [ONNXValue] = []
        for (argument, input) in zip(arguments, inputs) {
            let isWhole = [.int64, .int32, .int8, .uint8].contains(argument.elementType)
            let value: ONNXValue
            switch input.elementType {
            case .int64 where isWhole || (argument.isDifferentiated && argument.elementType != .bool):
                value = ONNXValue(argument.isDifferentiated ? argument : argument.cast(to: .int64), .integer)
            case .bool where argument.elementType == .bool || isWhole || argument.isDifferentiated:
                value = ONNXValue(argument.elementType == .bool ? argument : argument.cast(to: .float32) .!= 0, .bool)
            case .float32 where argument.elementType.isFloatingPoint:
                let numbers = argument.cast(to: .float32)
                value = channelsLast.contains(input.name) && argument.rank >= 3
                    ? ONNXValue(channelsLast: numbers) : ONNXValue(numbers)
            default:
                problems.append(
                    .init(.shape, tensor: input.name, "the input is \(input.elementType), got \(argument.elementType)"))
                continue
            }
            if let expected = input.shape {
                let fits = expected.count == value.rank && zip(expected, value.shape).allSatisfy { $0 == nil || $0 == $1 }
                if !fits {
                    let sizes = expected.map { $0.map(String.init) ?? "any" }.joined(separator: ", ")
                    problems.append(.init(.shape, tensor: input.name, "the input has shape [\(sizes)], got \(value.shape)"))
                }
            }
            values.append(value)
        }
        if !problems.isEmpty { throw ONNXError(path: path, problems) }
        return values
    }

    private static func failure(_ error: any Error, _ path: String) -> ONNXError {
        switch error {
        case let fault as NodeFault: ONNXError(path: path, [fault.problem])
        case let known as ONNXError: known
        default: ONNXError(path: path, [.init(.graph, "\(error)")])
        }
    }
}

// MARK: - Programs

extension ONNXFunction {
    /// The function compiled for inputs of these shapes. Its results are `float32`.
    ///
    /// Whole numbers and truth values are numbers of the program's precision within it: look-ups by inputs are exact,
    /// but in `bfloat16` what is computed from inputs of whole numbers beyond 256 is not.
    /// - Parameters:
    ///   - shapes: of the arguments, one for each of `inputs`.
    ///   - weights: packed weights to share with programs of this function for other shapes.
    /// - Throws: `ONNXError` naming the node if the shapes do not fit, or if the function chooses by values what only
    ///   shapes may choose.
    public func program(
        forInputs shapes: [[Int]], precision: ElementType = .float32, threads: Int = 1,
        sharing weights: PackedWeights = PackedWeights()
    ) throws(ONNXError) -> Program {
        guard shapes.count == inputs.count,
            shapes.allSatisfy({ TensorReader.count($0, limit: OperatorCall.elementLimit) != nil })
        else {
            throw ONNXError(path: path, [.init(.shape, "shapes \(shapes) for inputs \(inputs.map(\.name))")])
        }
        let descriptions = zip(shapes, inputs).map { shape, input in
            Program.Input(shape: shape, type: input.elementType == .float32 ? .float32 : .int64)
        }
        var failure: ONNXError?
        let program = Program(inputs: descriptions, precision: precision, threads: threads, sharing: weights) { arguments in
            do throws(ONNXError) { return try traced(arguments) } catch {
                failure = error
                // A program must compute something; nobody will see this one.
                return [arguments[0].cast(to: .float32) + 1]
            }
        }
        if let failure { throw failure }
        return program
    }

    /// The function of a trace: results that depend on the arguments and are none of them.
    ///
    /// - Throws: `ONNXError` as calling does, and if a result does not depend on the arguments.
    public func traced(_ arguments: [Tensor]) throws(ONNXError) -> [Tensor] {
        let results = try self(arguments)
        var traced: [Tensor] = []
        for (name, result) in zip(outputs, results) {
            guard result.isDifferentiated else {
                throw ONNXError(path: path, [.init(.graph, tensor: name, "the value does not depend on the inputs")])
            }
            let numbers = result.cast(to: .float32)
            traced.append(arguments.contains { $0.identity == numbers.identity } ? numbers + 0 : numbers)
        }
        return traced
    }
}

extension ONNXValue {
    /// Whether axis 1 of the value stands last in memory, as channels do behind pixels.
    fileprivate var hasChannelsLast: Bool {
        axes[1] == [rank - 1] && axes.indices.filter { $0 != 1 }.map { axes[$0] } == (0..<rank - 1).map { [$0] }
    }
}
