import PandoTraining

/// A small honest experiment that tests what a method's paper claims.
///
/// It trains the method and its baselines on the same data, by the same schedule, with the same seeds, and says for each
/// part of the claim what was measured and whether it holds. Settings are chosen on validation; test is only reported. It
/// can fail: with the method's key part put out, the claim must fall.
public protocol Reproduction: Sendable {
    /// The word of the command.
    var name: String { get }
    /// The target and folder where the method lives.
    var room: String { get }
    var paper: Paper { get }
    /// What is tested, in one sentence.
    var claim: String { get }
    /// What it is tested on, in one sentence.
    var data: String { get }
    /// What can be put out of the method.
    var parts: [MethodPart] { get }
    /// What the measurements mean, for who reads the page; why the claim does not hold, where it does not.
    var remarks: String { get }

    /// Trains and measures.
    /// - Throws: every error of data, weights and training; `CancellationError`.
    func run(_ conditions: Conditions) throws -> Findings
}

extension Reproduction {
    public var remarks: String { "" }
}

/// Where a method was published.
public struct Paper: Sendable, Hashable, Codable {
    public let title: String
    /// First author and year, as in `Diao et al. 2024`.
    public let authors: String
    public let arXiv: String

    public init(_ title: String, _ authors: String, arXiv: String) {
        (self.title, self.authors, self.arXiv) = (title, authors, arXiv)
    }
}

/// A part of a method that can be put out, to see that the claim rests on it.
public struct MethodPart: Sendable, Hashable {
    /// The word behind `--without`.
    public let name: String
    /// What is done without it, in one line.
    public let meaning: String

    public init(_ name: String, _ meaning: String) { (self.name, self.meaning) = (name, meaning) }
}
