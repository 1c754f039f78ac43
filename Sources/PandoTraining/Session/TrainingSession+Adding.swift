import Foundation
import PandoData

extension TrainingSession {
    /// Trains the plan's tasks on the backbone of `bundle`, and adds their branches to it.
    ///
    /// The plan is one that `Plan.addition(contentsOf:replacing:)` made of the bundle's. Everything else in the bundle
    /// stays as it is, byte for byte, and who has it open goes on with what was there. The run is recorded as that of
    /// `train` is.
    /// - Parameters:
    ///   - planText: the text of the file that names the tasks, for the record.
    ///   - resumes: go on with the newest unfinished run that added these tasks to this bundle.
    /// - Throws: as `train`.
    public func train(
        planText: String, addingTo bundle: Bundle, registry: RunRegistry, runs: URL, resumes: Bool,
        cancellation: CancellationFlag? = nil, _ report: @escaping @Sendable (Event) -> Void = { _ in }
    ) throws -> Outcome {
        try Bundle.checkWritable(bundle.url)
        var session = self
        if let folder = bundle.textFolder { session.plan.textBackbone.weights = folder }
        try session.checkBudget(on: bundle.backbone, cancellation)
        return try session.recorded(
            planText, bundle.url, registry: registry, runs: runs, resumes: resumes, report
        ) { [session] recorder in
            let trained = try session.trainBranches(
                on: bundle.backbone, recorder, resumes: resumes, cancellation: cancellation, report)
            report(.message("adding \(trained.tasks.count == 1 ? "a branch" : "\(trained.tasks.count) branches") to \(bundle.url.path)"))
            try Bundle.add(trained, to: bundle)
            return trained
        }
    }
}
