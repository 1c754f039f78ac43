import Foundation
import PandoTensor
import SwiftProtobuf

/// A model's file as it is written.
struct ExportFile {
    private var model = WireModel()

    /// A protocol buffer holds less than two gigabytes; some room is left for the graph.
    static let weightsLimit = 2_000_000_000 - (1 << 26)
    /// Weights begin at a multiple of this, so that they can be mapped.
    private static let alignment = 64

    init(operatorSet: Int, metadata: [String: String]) {
        // The version of the file's form that came with each operator set.
        model.irVersion = operatorSet < 19 ? 8 : operatorSet < 21 ? 9 : 10
        model.producerName = "Pando"
        var operators = WireOperatorSet()
        operators.domain = ""
        operators.version = Int64(operatorSet)
        model.opsetImport = [operators]
        model.metadataProps = metadata.sorted { $0.key < $1.key }.map(Self.pair)
    }

    mutating func setGraph(_ writer: GraphWriter, inputs: [ExportedValue], outputs: [ExportedValue]) {
        var graph = WireGraph()
        graph.name = "pando"
        graph.node = writer.nodes
        graph.input = inputs.map(Self.description)
        graph.output = outputs.map(Self.description)
        model.graph = graph
    }

    /// - Returns: bytes of all files, and the weights' own file if there is one.
    /// - Throws: `FileError`.
    func write(to url: URL, constants: [GraphWriter.Constant], weightsLimit: Int) throws -> (Int, URL?) {
        let total = constants.reduce(0) { $0 + $1.tensor.byteCount }
        var whole = model
        if total <= weightsLimit {
            whole.graph.initializer = constants.map { constant in
                var values = Self.values(constant)
                values.rawData = constant.tensor.withBytes { Data($0) }
                return values
            }
            return (try write(whole, to: url), nil)
        }
        let weights = url.appendingPathExtension("data")
        var offset = 0
        let size = try AtomicFile.write(to: weights) { sink in
            for constant in constants {
                let start = (offset + Self.alignment - 1) / Self.alignment * Self.alignment
                try sink.write([UInt8](repeating: 0, count: start - offset))
                try constant.tensor.withBytes { try sink.write($0) }
                offset = start + constant.tensor.byteCount
                var values = Self.values(constant)
                values.dataLocation = 1
                values.externalData = [
                    ("location", weights.lastPathComponent), ("offset", String(start)),
                    ("length", String(constant.tensor.byteCount)),
                ].map(Self.pair)
                whole.graph.initializer.append(values)
            }
        }
        return (try size + write(whole, to: url), weights)
    }

    private func write(_ model: WireModel, to url: URL) throws -> Int {
        let bytes: Data = try model.serializedBytes()
        try AtomicFile.write(bytes, to: url)
        return bytes.count
    }

    private static func values(_ constant: GraphWriter.Constant) -> WireValues {
        var values = WireValues()
        values.name = constant.name
        values.dims = constant.tensor.shape.map { Int64($0) }
        values.dataType = Int32(ONNXElementType(constant.tensor.elementType).rawValue)
        return values
    }

    private static func description(_ value: ExportedValue) -> WireValueInfo {
        var info = WireValueInfo()
        info.name = value.name
        info.type.tensorType.elemType = Int32(ONNXElementType(value.type).rawValue)
        info.type.tensorType.shape.dim = value.stored.map { extent in
            var dimension = WireShape.Dimension()
            if !extent.isPerElement {
                dimension.dimValue = Int64(extent.count)
            } else {
                dimension.dimParam = extent.count == 1 ? "N" : "\(extent.count)*N"
            }
            return dimension
        }
        return info
    }

    private static func pair(_ key: String, _ value: String) -> WireStringPair {
        var pair = WireStringPair()
        (pair.key, pair.value) = (key, value)
        return pair
    }
}
