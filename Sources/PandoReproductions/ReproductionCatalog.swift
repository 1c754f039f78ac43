import PandoTraining

/// Every method whose claim can be tested here.
public enum ReproductionCatalog {
    /// By room, in the order of the page.
    public static let all: [any Reproduction] = [
        LoRAReproduction(), UniPTReproduction(), SHERLReproduction(), LSTReproduction(), MomentProbingReproduction(),
        FeatureCodingReproduction(), ThreeStageReproduction(), LabelBudgetReproduction(), APEMReproduction(),
        AdaShareReproduction(), TaskExpertReproduction(), SwinFaceReproduction(), FaceXFormerReproduction(),
        TNNReproduction(), ECMTReproduction(),
    ]

    /// The reproduction of this name.
    /// - Throws: `ReproductionError` with what was probably meant.
    public static func reproduction(named name: String) throws(ReproductionError) -> any Reproduction {
        if let known = all.first(where: { $0.name == name }) { return known }
        throw ReproductionError("no reproduction is called '\(name)'" + Suggestion.hint(for: name, among: all.map(\.name)))
    }
}
