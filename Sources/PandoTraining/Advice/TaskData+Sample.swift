import PandoBranches
import PandoData
import PandoTensor

extension TaskData {
    /// The task with some of its training and validation examples, chosen at random, and none of the others.
    func sampled(training: Int, validation: Int, seed: UInt64) -> TaskData {
        var generator = SeededGenerator(seed: seed).split("sample \(name)")
        var few: [Split: TaskExamples] = [:]
        for split in Split.allCases {
            let all = examples(in: split)
            let count = split == .train ? training : split == .validation ? validation : 0
            few[split] = all.chosen(Array(0..<all.count).shuffled(using: &generator).prefix(count).sorted())
        }
        return TaskData(plan: plan, labels: labels, texts: texts, examples: few)
    }

    /// The same examples where features have other rows; those whose row is gone are left out, and texts that then belong
    /// to no example.
    ///
    /// - Parameter places: the new row by the old one.
    func renumbered(_ places: [Int: Int]) -> TaskData {
        var kept: [String] = []
        var textPlaces: [Int: Int] = [:]
        let examples = examples.mapValues { examples in
            let left = examples.chosen(examples.rows.indices.filter { places[examples.rows[$0]] != nil })
            var targets = left.targets
            if case .texts(let all) = targets {
                targets = .texts(
                    all.map { text in
                        if let place = textPlaces[text] { return place }
                        textPlaces[text] = kept.count
                        kept.append(texts[text])
                        return kept.count - 1
                    })
            }
            return TaskExamples(rows: left.rows.compactMap { places[$0] }, targets: targets)
        }
        return TaskData(plan: plan, labels: labels, texts: kept, examples: examples)
    }

    /// The same task with another adapter.
    func choosing(_ adapter: AdapterChoice) -> TaskData {
        var plan = plan
        plan.adapter = adapter
        return TaskData(plan: plan, labels: labels, texts: texts, examples: examples)
    }
}
