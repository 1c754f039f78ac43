import PandoBackbones
import PandoData
import PandoTensor
import PandoTraining

extension Dataset {
    /// So many examples of each split, among those that are labelled in `column`; `seed` alone decides which.
    func choosing(training: Int, elsewhere: Int, labelledIn column: String, seed: UInt64 = 0) -> Dataset {
        var generator = SeededGenerator(seed: seed).split(column)
        var left: [Split: Int] = [.train: training, .validation: elsewhere, .test: elsewhere]
        let order = examples.indices.shuffled(using: &generator)
        let chosen = order.filter { index in
            let example = examples[index]
            guard example.labels[column] != nil, let room = left[example.split], room > 0 else { return false }
            left[example.split] = room - 1
            return true
        }
        return Dataset(name: name, examples: chosen.sorted().map { examples[$0] })
    }
}

extension BackbonePlan {
    /// The frozen sentence encoder that the set-up fetched.
    /// - Throws: `WeightsNotFound`, or what opening its folder throws.
    static func fetchedSentenceEncoder(maximumTokens: Int) throws -> BackbonePlan {
        let folder = try WeightsLocation.find(PlanDefaults.textBackbone.rawValue)
        return BackbonePlan(
            texts: try TextBackboneSource(folder).architecture, folder: folder, maximumTokens: maximumTokens)
    }
}
