import PandoBackbones
import PandoData
import PandoTensor
import PandoTraining

/// How small tokens of a text network become before the task that reads them suffers.
public struct FeatureCodingReproduction: Reproduction {
    public let name = "feature-coding"
    public let room = "PandoData/FeatureStore/Codecs"
    public let paper = Paper(
        "Feature Coding in the Era of Large Models: Dataset, Test Conditions, and Benchmark", "Gao et al. 2024",
        arXiv: "2412.04307")
    public let claim = """
        Features eight times smaller than float32 cost an unchanged task head at most one point; cut to their usual range \
        before they are quantised, they serve it better at an equal rate than with their outliers. A learned hyperprior makes \
        less error at an equal rate, and bytes as many as its model says.
        """
    public let data = """
        The last tokens of a frozen MiniLM over 4,500 of Debian's packages, and the section of each, which a linear head \
        reads off their mean; bits are those of the encoded bytes. Codecs and learned coders see training examples alone.
        """
    public let parts = [MethodPart("truncation", "nothing is cut: the 100th percentile")]

    public let remarks = """
        Eight times smaller is reached with room to spare. Cutting does not pay at every rate: ranges are each channel's own, \
        which leaves few outliers to cut, and what is not cut is coded in fewer bits. At one bit a number it pays much.

        The learned coder makes less error than equal steps at their rates and goes on below one bit, where they end: about \
        three quarters of a bit serve the head as well as their one bit, and without bits only chance is left. It gains by \
        what tokens have in common with their neighbours; channels stand in no order that convolutions could use. At the \
        lowest rates it sends little more than local means, and numbers that changed places then need fewer bits than real \
        ones, not more: there is less to send, and more is lost. λ, steps and learning rate were set by hand on validation; \
        each coder is trained once, and the seeds are those of the heads.
        """

    public init() {}

    /// A row of the table, and how it is coded.
    private struct Entry {
        let name: String
        let codec: FeatureCodec
    }

    private static let bits = [6, 4, 3, 2, 1]
    /// Of the learned coders: λ.
    private static let weights: [Float] = [0.0003, 0.001, 0.002, 0.004, 0.016]

    public func run(_ conditions: Conditions) throws -> Findings {
        let percentile = conditions.has("truncation") ? 99.9 : 100
        let cut = Self.bits.map { Entry(name: "\($0) bits", codec: .uniform(bits: $0, percentile: percentile)) }
        let uncut = Self.bits.map { Entry(name: "\($0) bits, nothing cut", codec: .uniform(bits: $0, percentile: 100)) }
        let others = [
            Entry(name: "bfloat16", codec: .bfloat16),
            Entry(name: "int8", codec: .int8(percentile: percentile)),
            Entry(name: "4 bits, means of 2 tokens", codec: .uniform(bits: 4, percentile: percentile).pooled(by: 2)),
            Entry(name: "a byte for 4 numbers", codec: .productQuantization(subvectorLength: 4)),
            Entry(name: "a byte for 8 numbers", codec: .productQuantization(subvectorLength: 8)),
        ]
        let trial = try CodingTrial(conditions)
        let reference = try trial.reference()
        let entries = cut + uncut + others
        let total = entries.count
        let outcomes = try entries.enumerated().map { place, entry in
            conditions.report(.progress(title: name, unit: "codecs", done: place, total: total))
            return try trial.outcome(of: entry.codec)
        }
        conditions.report(.progress(title: name, unit: "codecs", done: total, total: total))
        conditions.report(.message("training \(Self.weights.count) learned coders"))
        let coders = try trial.coders(
            Self.weights.map { weight in
                var training = HyperpriorCoder.Training(weight: weight)
                training.percentile = percentile
                return training
            })
        let learned = try coders.map(trial.outcome)
        let rows = [Findings.Row("float32", [Sample(32), Sample(0), reference, reference])]
            + zip(entries, outcomes).map { entry, outcome in
                Findings.Row(
                    entry.name, [Sample(outcome.bits), Sample(outcome.error), outcome.unchanged, outcome.retrained])
            }
            + zip(Self.weights, learned).map { weight, outcome in
                Findings.Row(
                    "hyperprior, λ = \(weight)",
                    [Sample(outcome.bits), Sample(outcome.error), outcome.unchanged, outcome.retrained])
            }
        let byName = Dictionary(uniqueKeysWithValues: zip(entries.map(\.name), outcomes))
        let (four, two) = (byName["4 bits"]!, byName["2 bits"]!)
        let curves = [cut, uncut].map { $0.map { byName[$0.name]! } }
        return Findings(
            [
                .init("bits a number", .number), .init("error", .percent), .init("unchanged head", .percent),
                .init("head trained anew", .percent),
            ], rows,
            [
                Check("bits a number of 4 bits, entropy-coded", four.bits, .atMost, 4, .number),
                Check("what they cost an unchanged head", reference.mean - four.unchanged.mean, .atMost, 0.01, .points),
                Check(
                    "cut features against whole ones at an equal rate, on average",
                    Self.gain(of: curves[0], over: curves[1]), .atLeast, 0.005, .points),
                Check(
                    "bytes of the hyperprior, held against the bits of its model, at any λ",
                    coders.map(trial.overhead).max()!, .atMost, 1.03, .ratio),
                Check(
                    "its error at the rate of 2 bits, held against theirs",
                    RateCurve(learned.map { ($0.bits, $0.error) }).score(at: two.bits).map { $0 / two.error } ?? .nan,
                    .atMost, 0.9, .ratio),
                Check(
                    "what it costs an unchanged head at λ = \(Self.weights[3])",
                    reference.mean - learned[3].unchanged.mean, .atMost, 0.01, .points),
                Check(
                    "what an unchanged head gets right with next to no bits, λ = \(Self.weights[0])",
                    learned[0].unchanged.mean, .atMost, 0.15, .percent),
                Check(
                    "bits of numbers that changed places within channels, held against as they were, λ = \(Self.weights[3])",
                    trial.costOfShuffling(for: coders[3]), .atLeast, 1.05, .ratio),
            ])
    }

    /// The mean difference of the unchanged head's accuracy between a curve and the points of another, at their rates.
    ///
    /// Points beyond the curve's ends are left out.
    private static func gain(of curve: [CodingTrial.Outcome], over points: [CodingTrial.Outcome]) -> Double {
        let curve = curve.map { (rate: $0.bits, score: $0.unchanged.mean) }
        let gains = points.compactMap { point in
            RateCurve(curve).score(at: point.bits).map { $0 - point.unchanged.mean }
        }
        return gains.isEmpty ? .nan : gains.reduce(0, +) / Double(gains.count)
    }
}
