import PandoTensor

/// Weights under our names, and where each came from.
package struct TranslatedWeights {
    package var tensors: [String: Tensor] = [:]
    /// Names in the checkpoint that the network does without.
    package var ignored: [String] = []
    /// Their names by ours, in order along the first axis.
    package var sources: [String: [String]] = [:]
    /// What cannot be put together: parts of a fused tensor that are missing or do not fit one another.
    package var problems: [String] = []
}

extension Dialect {
    /// How many of `names` the network has under this dialect's rules, and how many it neither has nor does without.
    func score(_ names: some Sequence<String>, against own: Set<String>) -> (known: Int, unknown: Int) {
        var (known, unknown) = (0, 0)
        for name in names where !ignores(name) {
            if own.contains(ours(name).name) { known += 1 } else { unknown += 1 }
        }
        return (known, unknown)
    }

    /// Brings a checkpoint's tensors under our names.
    package func translated(_ weights: [String: Tensor]) -> TranslatedWeights {
        var result = TranslatedWeights()
        var parts: [String: [Int: (name: String, place: Place, tensor: Tensor)]] = [:]
        for name in weights.keys.sorted() {
            if ignores(name) {
                result.ignored.append(name)
                continue
            }
            let place = ours(name)
            if let other = parts[place.name, default: [:]].updateValue((name, place, weights[name]!), forKey: place.part) {
                result.problems.append("\(other.name) and \(name) are the same weight; keep one of them")
            }
        }
        for (name, found) in parts.sorted(by: { $0.key < $1.key }) {
            let ordered = found.sorted { $0.key < $1.key }.map(\.value)
            result.sources[name] = ordered.map(\.name)
            let place = ordered[0].place
            guard ordered.count == place.partCount else {
                let (known, shape) = (ordered[0].name, ordered[0].tensor.shape)
                let prefix = known.dropLast(unprefixed(known).utf8.count)
                let (names, rule) = theirs(name)
                let missing = names.map { prefix + $0 }.filter { name in !ordered.contains { $0.name == name } }
                let expected = rule?.shares.isEmpty == false ? "expected beside \(known)" : "expected shape \(shape) as \(known) has"
                result.problems.append("\(missing.joined(separator: ", ")) is missing, \(expected)")
                continue
            }
            let tensors = ordered.map { place.isTransposed && $0.tensor.rank == 2 ? $0.tensor.transposed.contiguous() : $0.tensor }
            if tensors.count == 1 {
                result.tensors[name] = tensors[0]
            } else if tensors.allSatisfy({
                $0.rank > 0 && $0.shape.dropFirst() == tensors[0].shape.dropFirst() && $0.elementType == tensors[0].elementType
            }) {
                result.tensors[name] = .concatenated(tensors)
            } else {
                let shapes = ordered.map { "\($0.name) \($0.tensor.shape) \($0.tensor.elementType)" }
                result.problems.append("\(shapes.joined(separator: ", ")) should differ in their first axis only")
            }
        }
        return result
    }

    /// What our tensor is called in a checkpoint that has `names`: with the prefix that most of them have, but for heads.
    func theirs(_ name: String, among names: some Collection<String>, heads: [String]) -> String {
        let isHead = heads.contains { name == $0 || name.hasPrefix($0 + ".") }
        let prefix = isHead ? nil : prefixes.first { prefix in names.count { $0.hasPrefix(prefix) } * 2 > names.count }
        return theirs(name).names.map { (prefix ?? "") + $0 }.joined(separator: " + ")
    }

    /// Our tensors under their names: what is fused here is cut into its parts.
    package func untranslated(_ tensors: [String: Tensor]) -> [String: Tensor] {
        var result: [String: Tensor] = [:]
        for (name, tensor) in tensors {
            let (names, rule) = theirs(name)
            let shares = rule.map { $0.shares.isEmpty ? names.map { _ in 1 } : $0.shares } ?? [1]
            let part = tensor.shape.first.map { $0 / shares.reduce(0, +) } ?? 0
            var start = 0
            for (name, share) in zip(names, shares) {
                var piece = names.count == 1 ? tensor : tensor.slice(start..<start + share * part)
                start += share * part
                if let count = rule?.axisCount, count < piece.rank { piece = piece.reshaped(Array(piece.shape.suffix(count))) }
                if rule?.isTransposed == true && piece.rank == 2 { piece = piece.transposed }
                result[name] = rule?.form.applied(to: piece) ?? piece
            }
        }
        return result
    }
}

extension Dialect.Rule.Form {
    /// Our tensor as theirs is shaped.
    func applied(to tensor: Tensor) -> Tensor {
        switch self {
        case .kernels where tensor.rank == 2: tensor.reshaped(tensor.shape + [1, 1])
        case .vectors(let before, let after) where tensor.rank == 1:
            tensor.reshaped([Int](repeating: 1, count: before) + tensor.shape + [Int](repeating: 1, count: after))
        case .same, .kernels, .vectors: tensor
        }
    }
}
