/// How much better several tasks are than a reference, on average.
///
/// `Δ = 1/K Σ_k s_k (M_k − B_k) / |B_k|`, where `s_k` is 1 where larger is better, else -1.
/// - Source: Maninis et al. 2019, Attentive Single-Tasking of Multiple Tasks (arXiv:1904.08918) eq. 4.
public enum RelativeGain {
    /// Of each task.
    /// - Precondition: as many references as scores, of the same metrics.
    public static func each(_ scores: [Score], over references: [Score]) -> [Double] {
        zip(scores, references).map { score, reference in
            (score.value - reference.value) / max(abs(reference.value), 1e-9) * (score.largerIsBetter ? 1 : -1)
        }
    }

    /// - Precondition: as many references as scores, at least one, of the same metrics.
    public static func mean(_ scores: [Score], over references: [Score]) -> Double {
        each(scores, over: references).reduce(0, +) / Double(scores.count)
    }
}
