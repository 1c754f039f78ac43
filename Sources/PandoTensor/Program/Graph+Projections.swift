extension Graph {
    /// Makes one linear map of those that read the same value for attention alone, as queries, keys and values do: one
    /// wide product is faster than three narrow ones, and attention reads its parts where they stand.
    mutating func mergeProjections() {
        let groups = projectionGroups
        guard !groups.isEmpty else { return }
        var merged: [GraphNode] = []
        var places: [Int] = []
        /// Where in the merged value each map's columns begin, by the map's node.
        var slices: [Int: (source: Int, range: Range<Int>)] = [:]
        func moved(_ operand: Operand) -> Operand {
            if case .value(let value) = operand { .value(places[value]) } else { operand }
        }
        for (index, node) in nodes.enumerated() {
            if let group = groups.first(where: { $0[0] == index }) {
                let widths = group.map { nodes[$0].shape[1] }
                for (position, map) in group.enumerated() {
                    let start = widths[..<position].reduce(0, +)
                    slices[map] = (merged.count, start..<start + widths[position])
                }
                merged.append(
                    GraphNode(
                        operation: LinearMap(), operands: [moved(node.operands[0])] + joinedConstants(of: group),
                        shape: [node.shape[0], widths.reduce(0, +)]))
            }
            places.append(merged.count)
            if let (source, range) = slices[index] {
                merged.append(
                    GraphNode(
                        operation: Slice(axis: 1, range: range, step: 1), operands: [.value(source)], shape: node.shape))
            } else {
                merged.append(GraphNode(operation: node.operation, operands: node.operands.map(moved), shape: node.shape))
            }
        }
        nodes = merged
        outputs = outputs.map { places[$0] }
    }

    /// Weights, and biases if there are any, one below the other.
    private func joinedConstants(of group: [Int]) -> [Operand] {
        (1..<nodes[group[0]].operands.count).map { position in
            .constant(
                .concatenated(
                    group.compactMap { map in
                        if case .constant(let tensor) = nodes[map].operands[position] { tensor } else { nil }
                    }))
        }
    }

    /// Linear maps with constant weights that read one value and that attention alone reads, at least two each.
    private var projectionGroups: [[Int]] {
        let consumers = consumers
        func isReadByAttentionAlone(_ value: Int) -> Bool {
            !outputs.contains(value) && !consumers[value].isEmpty
                && consumers[value].allSatisfy { reader in
                    switch nodes[reader].operation {
                    case is Attention: true
                    case is Reshape, is Permute, is Slice: isReadByAttentionAlone(reader)
                    default: false
                    }
                }
        }
        var groups: [[Int]] = []
        for (index, node) in nodes.enumerated() {
            guard node.operation is LinearMap, case .value(let source) = node.operands[0],
                node.operands.dropFirst().allSatisfy({ if case .constant = $0 { true } else { false } }),
                isReadByAttentionAlone(index)
            else { continue }
            let place = groups.firstIndex { group in
                let first = nodes[group[0]]
                guard case .value(let other) = first.operands[0],
                    case .constant(let weight) = node.operands[1], case .constant(let like) = first.operands[1],
                    weight.elementType == like.elementType
                else { return false }
                return root(of: other) == root(of: source) && first.shape[0] == node.shape[0]
                    && first.operands.count == node.operands.count
            }
            if let place { groups[place].append(index) } else { groups.append([index]) }
        }
        return groups.filter { $0.count > 1 }
    }
}
