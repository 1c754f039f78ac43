import Foundation

/// One training run, as the registry keeps it.
public struct Run: Sendable, Hashable, Codable {
    public enum Status: String, Sendable, Codable, CaseIterable {
        case running
        case finished
        /// Stopped with an error.
        case failed
        /// Stopped by the user; `--resume` goes on.
        case interrupted
        /// Its process ended without a word, as after `kill -9`.
        case killed
    }

    /// Unique and sortable by time: the start as `yyyyMMdd-HHmmss` and eight hex digits.
    public var id: String
    public var planName: String
    /// The plan file's text.
    public var planText: String
    public var started: Date
    public var finished: Date?
    public var status: Status
    public var seed: UInt64
    /// Host, processor and cores.
    public var machine: String
    /// The process that runs it.
    public var process: Int32
    /// Where the bundle is or will be.
    public var bundlePath: String
    /// Why it failed.
    public var message: String?

    /// Seconds from start to end, or to now.
    public func seconds(now: Date = Date()) -> Double { (finished ?? now).timeIntervalSince(started) }
}

/// A number that a run reported.
public struct RunMetric: Sendable, Hashable, Codable {
    public enum Phase: String, Sendable, Codable { case train, validation, test }

    /// Training steps taken before it.
    public var step: Int
    public var epoch: Int
    /// The task it is about; empty for the whole run.
    public var task: String
    public var phase: Phase
    /// As in `Score`; `loss` for the loss.
    public var name: String
    public var value: Double

    public init(step: Int, epoch: Int, task: String, phase: Phase, name: String, value: Double) {
        self.step = step
        self.epoch = epoch
        self.task = task
        self.phase = phase
        self.name = name
        self.value = value
    }
}
