import Synchronization

/// What turning texts into tokens needs and leaves behind.
///
/// `@unchecked Sendable`: a workspace is either in the list of idle ones, which a lock guards, or with the one caller
/// that took it from there.
final class TokenizerWorkspace: @unchecked Sendable {
    let forms = UnicodeForms()
    var memory = TokenModel.Memory()
    var pieces = PieceList()
    var sparePieces = PieceList()

    /// Gives memory that a long text took back.
    func shrink() {
        memory.shrink()
        (pieces, sparePieces) = (PieceList(), PieceList())
    }
}

/// Workspaces that no thread uses at the moment; there come to be as many as threads ever worked at once.
final class TokenizerWorkspaces: Sendable {
    private let idle = Mutex<[TokenizerWorkspace]>([])

    func withWorkspace<Result>(_ body: (TokenizerWorkspace) -> Result) -> Result {
        let workspace = idle.withLock { $0.popLast() } ?? TokenizerWorkspace()
        defer { idle.withLock { $0.append(workspace) } }
        return body(workspace)
    }
}
