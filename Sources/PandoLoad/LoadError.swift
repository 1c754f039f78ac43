/// Why there is no load, in one sentence.
public enum LoadError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Something asked for is outside its limits.
    case setting(String)
    /// The address is another machine's.
    case remote(host: String)
    /// A file that cannot be sent.
    case file(path: String, reason: String)
    /// Nobody answered the first request.
    case unreachable(url: String, reason: String)
    /// The first request was answered, but not with what a server under load may answer.
    case refused(url: String, status: Int, message: String)
    /// Nobody has been there for so many seconds.
    case gone(url: String, seconds: Double, reason: String)

    public var description: String {
        switch self {
        case .setting(let sentence): sentence
        case .remote(let host):
            "\(host) is not this machine: load takes a server down, so only loopback addresses are taken; "
                + "--allow-remote sends it to a server of your own elsewhere"
        case .file(let path, let reason): "\(path): \(reason)"
        case .unreachable(let url, let reason): "\(url) does not answer: \(reason)"
        case .refused(let url, let status, let message): "\(url) answers \(status): \(message)"
        case .gone(let url, let seconds, let reason):
            "\(url) has not been there for \(Int(seconds.rounded())) s: \(reason); the load was stopped"
        }
    }
}
