import Foundation

/// Where requests go; made only for a server that may be loaded.
public struct LoadAddress: Sendable, Equatable {
    /// The whole of it, with path and query.
    public let url: String

    /// The path of predictions.
    public static let predictions = "/predict"

    /// - Parameters:
    ///   - address: such as `http://127.0.0.1:8080`; a path of its own stays.
    ///   - path: instead of the address's own path, or of `/predict` where it has none.
    ///   - query: names and values; empty for none.
    ///   - allowsRemote: whether the server may be another machine.
    public init(
        _ address: String, path: String? = nil, query: [(name: String, value: String)] = [], allowsRemote: Bool = false
    ) throws(LoadError) {
        guard var parts = URLComponents(string: address), let scheme = parts.scheme?.lowercased(),
            ["http", "https"].contains(scheme), let host = parts.host, !host.isEmpty
        else { throw .setting("'\(address)' is no address; one is http://127.0.0.1:8080") }
        guard allowsRemote || Self.isLoopback(host) else { throw .remote(host: host) }
        if let path {
            guard path.hasPrefix("/") else { throw .setting("a path begins with /, '\(path)' does not") }
            parts.path = path
        } else if parts.path.isEmpty || parts.path == "/" {
            parts.path = Self.predictions
        }
        if !query.isEmpty {
            parts.queryItems = (parts.queryItems ?? []) + query.map { URLQueryItem(name: $0.name, value: $0.value) }
        }
        guard let url = parts.string else { throw .setting("'\(address)' is no address") }
        self.url = url
    }

    /// `localhost`, `::1`, or four numbers of which the first is 127; names that only begin so are others' machines.
    static func isLoopback(_ host: String) -> Bool {
        if ["localhost", "::1", "[::1]"].contains(host.lowercased()) { return true }
        let numbers = host.split(separator: ".", omittingEmptySubsequences: false)
        return numbers.count == 4 && numbers[0] == "127" && numbers.allSatisfy { UInt8($0) != nil }
    }
}
