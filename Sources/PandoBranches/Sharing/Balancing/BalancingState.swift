import Glibc
import PandoTensor

extension [String: Tensor] {
    /// The numbers kept under a name.
    /// - Precondition: there are so many.
    func numbers(_ name: String, count: Int) -> [Float] {
        guard let tensor = self[name], tensor.elementCount == count else {
            stop("Balancing: the state has \(self[name]?.elementCount ?? 0) numbers under '\(name)', expected \(count)")
        }
        return tensor.scalars()
    }

    /// The generator kept under a name.
    func generator(_ name: String) -> SeededGenerator {
        guard let words = self[name] else { stop("Balancing: the state has no generator '\(name)'") }
        return SeededGenerator(words: words.scalars(as: Int64.self).map { UInt64(bitPattern: $0) })
    }
}

extension Tensor {
    /// A generator's state, to keep.
    init(_ generator: SeededGenerator) { self.init(generator.words.map { Int64(bitPattern: $0) }) }
}

/// Positive numbers that sum to 1, in proportion to the exponentials.
func softmax(_ values: [Double]) -> [Double] {
    let largest = values.max() ?? 0
    let powers = values.map { exp($0 - largest) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
}
