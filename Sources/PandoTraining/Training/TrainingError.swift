/// Why training stopped before its end.
public enum TrainingError: Error, Sendable, CustomStringConvertible {
    /// A task's loss, weight or feature is not a number; `culprit` says which.
    case notFinite(task: String, epoch: Int, culprit: String)
    /// The checkpoint does not belong to this plan and data, or cannot be read.
    case unusableCheckpoint(path: String, reason: String)
    /// `--resume` found no run that stopped before its end.
    case nothingToResume(plan: String, bundle: String)

    public var description: String {
        switch self {
        case .notFinite(let task, let epoch, let culprit):
            "task '\(task)', epoch \(epoch): \(culprit). Training ends here and no bundle is written; "
                + "lower train.learning_rate, or look at the data"
        case .unusableCheckpoint(let path, let reason):
            "the checkpoint \(path) cannot be resumed: \(reason)"
        case .nothingToResume(let plan, let bundle):
            "there is no unfinished run of plan '\(plan)' for \(bundle); train without --resume"
        }
    }
}
