import PandoBackbones
import PandoNN
import PandoTensor

/// A column of hidden layers for each task, whose features are mixed behind every layer by learned weights.
///
/// `x_t ← Σ_s a_ts relu(W_s x_s)`, where every column begins at the normalised vector of the frozen pass.
/// - Shapes: vector `[N, C]` → `[rows, H]`.
/// - Cost: `T ((C + 1) H + (L - 1) (H + 1) H)` parameters in `L` layers, and `L T²` weights of mixing; all columns are run
///   for whichever task is asked.
/// - Source: Misra et al. 2016, Cross-stitch Networks (arXiv:1604.03539), section 3.1, equation 1. A layer has one weight
///   for each pair of tasks, not one for each channel; columns begin at random, not from networks trained alone.
public struct CrossStitch: Sharing {
    public var norm: LayerNorm
    public var columns: [HiddenLayers]
    /// Behind each layer, `[T, T]`: what the task of a row takes of that of a column.
    public var units: [Tensor]

    /// - Parameter own: what a task begins by taking of its own column; the rest comes from the others alike.
    public init(
        vectorLength: Int, taskCount: Int, width: Int, layers: Int, own: Float, using generator: inout SeededGenerator
    ) {
        norm = LayerNorm(vectorLength)
        columns = []
        for _ in 0..<taskCount {
            columns.append(HiddenLayers([vectorLength] + [Int](repeating: width, count: layers), using: &generator))
        }
        let other = taskCount > 1 ? (1 - own) / Float(taskCount - 1) : 0
        let places = 0..<taskCount * taskCount
        let begin = places.map { $0 / taskCount == $0 % taskCount ? (taskCount > 1 ? own : 1) : other }
        units = (0..<layers).map { _ in Tensor(begin, shape: [taskCount, taskCount]) }
    }

    public var request: FeatureRequest { .vector }
    public var taskCount: Int { columns.count }
    public var featureCount: Int { columns[0].outFeatures }

    public func callAsFunction(_ features: Features, for asked: [TaskRows], during pass: TrainingPass?) -> [Tensor] {
        let vector = norm(features.pooled)
        var states = columns.map { _ in vector }
        var layered = vector
        for layer in units.indices {
            layered = .stacked(zip(columns, states).map { $0.layers[layer]($1).applying($0.activation) }, along: 1)
            if layer + 1 < units.count {  // [T, T] · [N, T, H]
                states = matmul(units[layer].cast(to: layered.elementType), layered).unstacked(along: 1)
            }
        }
        let last = units[units.count - 1].cast(to: layered.elementType)
        return asked.map { asked in
            let shares = last.slice(asked.task..<asked.task + 1)  // [1, T]
            return matmul(shares, asked.of(layered)).squeezed(1).cast(to: .float32)
        }
    }

    public mutating func visit(_ visitor: inout some Visitor) {
        visitor.module("norm", &norm)
        visitor.modules("columns", &columns)
        visitor.enter("units")
        for index in units.indices { visitor.parameter(String(index), &units[index]) }
        visitor.leave()
    }
}

/// The columns' options.
public struct CrossStitchConfiguration: SharingConfiguration {
    public static let kind = "cross-stitch"
    public static let summary = "a column of layers for each task, mixed behind every layer"
    public static let options: [PlanOption<CrossStitchConfiguration>] = [
        PlanOption("width", "of the layers", .integer(1...65536) { $0.width = $1 }),
        PlanOption("layers", "of each column", .integer(1...64) { $0.layers = $1 }),
        PlanOption("own", "what a task begins by taking of its own column", .number(0...1) { $0.own = $1 }),
    ]

    public var width = 256
    public var layers = 2
    public var own = 0.9

    public init() {}

    public func makeSharing(
        on backbone: any Backbone, vectorLength: Int, taskCount: Int, using generator: inout SeededGenerator
    ) throws(AdapterError) -> any Sharing {
        CrossStitch(
            vectorLength: vectorLength, taskCount: taskCount, width: width, layers: layers, own: Float(own),
            using: &generator)
    }
}
