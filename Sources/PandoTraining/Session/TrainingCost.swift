/// What training a bundle took, as measured while it was done.
public struct TrainingCost: Sendable, Hashable, Codable {
    /// Pictures that went through the backbone; the others' features were stored before.
    public var computedImages: Int
    /// Reading the data, and computing or finding all features.
    public var featureSeconds: Double
    /// Solving and training the heads.
    public var headSeconds: Double
    /// The highest number of bytes that tensors held at once while the heads were trained.
    public var peakTensorBytes: Int
    /// The highest number of bytes of memory that the process held at once.
    public var peakResidentBytes: Int

    public var seconds: Double { featureSeconds + headSeconds }

    /// What this and `later` took, one after the other.
    func adding(_ later: TrainingCost) -> TrainingCost {
        TrainingCost(
            computedImages: computedImages + later.computedImages, featureSeconds: featureSeconds + later.featureSeconds,
            headSeconds: headSeconds + later.headSeconds, peakTensorBytes: max(peakTensorBytes, later.peakTensorBytes),
            peakResidentBytes: max(peakResidentBytes, later.peakResidentBytes))
    }
}
