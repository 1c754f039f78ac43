/// Sums of products of tensors in Einstein's notation: `einsum("bij,bjk->bik", x, y)` is a batched matrix product.
///
/// One letter names each axis. Axes of one name go together in all operands; those that the result does not name are
/// summed. A name twice in one operand means its diagonal; `...` stands for any further axes, which broadcast. Without
/// `->` the result has all names that occur once, in alphabetical order, after `...`.
///
/// - Cost: operands are taken in pairs from the left, each pair as one batched matrix product.
/// - Precondition: as many operands as the notation names; sizes of equal names are equal, or 1 under `...`.
public func einsum(_ notation: String, _ operands: Tensor...) -> Tensor { einsum(notation, operands) }

/// Sums of products of a list of tensors in Einstein's notation.
public func einsum(_ notation: String, _ operands: [Tensor]) -> Tensor {
    let names = EinsumNotation(notation, ranks: operands.map(\.rank))
    var terms = zip(operands, names.operands).map { EinsumTerm(tensor: $0, labels: $1).withDiagonals() }
    var result = terms.removeFirst()
    while !terms.isEmpty {
        let next = terms.removeFirst()
        let needed = Set(names.result).union(terms.flatMap(\.labels))
        result = result.multiplied(by: next, keeping: needed, notation)
    }
    return result.summed(keeping: Set(names.result)).arranged(names.result).tensor
}

/// The labels of each operand and of the result; what `...` stands for has labels of its own.
private struct EinsumNotation {
    private(set) var operands: [[Character]] = []
    private(set) var result: [Character] = []

    init(_ notation: String, ranks: [Int]) {
        let written = Array(notation.filter { $0 != " " })
        let arrow = written.indices.first { written[$0] == "-" && $0 + 1 < written.count && written[$0 + 1] == ">" }
        let parts = written[..<(arrow ?? written.count)]
            .split(separator: ",", omittingEmptySubsequences: false).map(Array.init)
        require(
            parts.count == ranks.count && !ranks.isEmpty,
            "einsum: \"\(notation)\" has \(parts.count) operands, got \(ranks.count)")
        var extra = 0
        for (part, rank) in zip(parts, ranks) {
            let named = part.count { $0 != "." }
            require(
                part.contains(".") ? named <= rank : named == rank,
                "einsum: \"\(String(part))\" does not name the \(rank) axes of its operand")
            let hidden = part.contains(".") ? rank - named : 0
            extra = max(extra, hidden)
            operands.append(Self.labels(part, hidden, notation))
        }
        if let arrow {
            let part = Array(written[(arrow + 2)...])
            result = Self.labels(part, part.contains(".") ? extra : 0, notation)
        } else {
            let all = operands.flatMap(\.self).filter(\.isLetter)
            let once = Set(all).filter { name in all.count { $0 == name } == 1 }
            result = Self.hidden(extra) + once.sorted()
        }
        let known = Set(operands.flatMap(\.self))
        require(
            Set(result).count == result.count && result.allSatisfy(known.contains),
            "einsum: the result of \"\(notation)\" names an axis twice, or one that no operand has")
    }

    /// Names for the axes under `...`, counted from the last one.
    private static func hidden(_ count: Int) -> [Character] {
        (0..<count).reversed().map { Character(UnicodeScalar(UInt32(0xE000 + $0)) ?? "?") }
    }

    private static func labels(_ part: [Character], _ hiddenCount: Int, _ notation: String) -> [Character] {
        guard let start = part.firstIndex(of: ".") else {
            require(part.allSatisfy(\.isLetter), "einsum: \"\(notation)\" holds what is no letter")
            return part
        }
        require(
            part.count >= start + 3 && part[start..<start + 3] == [".", ".", "."]
                && (part[..<start] + part[(start + 3)...]).allSatisfy(\.isLetter),
            "einsum: \"\(notation)\" holds what is neither a letter nor one ellipsis per operand")
        return part[..<start] + hidden(hiddenCount) + part[(start + 3)...]
    }
}

/// A tensor whose axes have names.
private struct EinsumTerm {
    var tensor: Tensor
    var labels: [Character]

    /// Each name once: repeated ones become a diagonal.
    func withDiagonals() -> EinsumTerm {
        for (position, label) in labels.enumerated() {
            guard let again = labels[(position + 1)...].firstIndex(of: label) else { continue }
            require(
                tensor.shape[position] == tensor.shape[again],
                "einsum: \(label) names axes of sizes \(tensor.shape[position]) and \(tensor.shape[again])")
            let others = labels.indices.filter { $0 != position && $0 != again }
            return EinsumTerm(
                tensor: tensor.permuted(others + [position, again]).diagonal(),
                labels: others.map { labels[$0] } + [label]
            ).withDiagonals()
        }
        return self
    }

    /// Without the axes that `needed` does not name.
    func summed(keeping needed: Set<Character>) -> EinsumTerm {
        let gone = labels.indices.filter { !needed.contains(labels[$0]) }
        if gone.isEmpty { return self }
        return EinsumTerm(tensor: tensor.sum(along: gone), labels: labels.filter(needed.contains))
    }

    /// Axes in the order of `order`; names without an axis (all of size 1 so far) get one.
    func arranged(_ order: [Character]) -> EinsumTerm {
        let known = order.compactMap { labels.firstIndex(of: $0) }
        var arranged = tensor.permuted(known)
        for (position, label) in order.enumerated() where !labels.contains(label) {
            arranged = arranged.expanded(at: position)
        }
        return EinsumTerm(tensor: arranged, labels: order)
    }

    /// Axes of size 1 dropped where `other` has more of that name: they broadcast.
    private func droppingStretched(by other: EinsumTerm) -> EinsumTerm {
        let kept = labels.indices.filter { axis in
            guard let match = other.labels.firstIndex(of: labels[axis]) else { return true }
            return tensor.shape[axis] != 1 || other.tensor.shape[match] == 1
        }
        return EinsumTerm(
            tensor: tensor.reshaped(kept.map { tensor.shape[$0] }), labels: kept.map { labels[$0] })
    }

    private func size(_ label: Character) -> Int { labels.firstIndex(of: label).map { tensor.shape[$0] } ?? 1 }

    /// Both as matrices `[batch, rows, shared]` and `[batch, shared, columns]`, multiplied.
    func multiplied(by other: EinsumTerm, keeping needed: Set<Character>, _ notation: String) -> EinsumTerm {
        let left = droppingStretched(by: other).summed(keeping: needed.union(other.labels))
        let right = other.droppingStretched(by: self).summed(keeping: needed.union(left.labels))
        let common = left.labels.filter(right.labels.contains)
        for label in common {
            require(
                left.size(label) == right.size(label),
                "einsum: \(label) of \"\(notation)\" has sizes \(left.size(label)) and \(right.size(label))")
        }
        let batch = common.filter(needed.contains)
        let shared = common.filter { !needed.contains($0) }
        let rows = left.labels.filter { !common.contains($0) }
        let columns = right.labels.filter { !common.contains($0) }
        func count(_ labels: [Character], _ term: EinsumTerm) -> Int { labels.reduce(1) { $0 * term.size($1) } }
        let first = left.arranged(batch + rows + shared).tensor
            .reshaped([count(batch, left), count(rows, left), count(shared, left)])
        let second = right.arranged(batch + shared + columns).tensor
            .reshaped([count(batch, right), count(shared, right), count(columns, right)])
        let sizes = batch.map(left.size) + rows.map(left.size) + columns.map(right.size)
        return EinsumTerm(tensor: matmul(first, second).reshaped(sizes), labels: batch + rows + columns)
    }
}
