import Foundation
import PandoData

/// Who may ask what, by bearer tokens.
///
/// A file with one token a line, then a space and the tasks that it opens, separated by commas, or `*` for everything,
/// loading and unloading too. Lines that begin with `#` are remarks.
public struct AccessTokens: Sendable {
    /// What tokens open, by the token's digest: looking one up takes as long for a wrong one as for a right one. `nil` is
    /// everything.
    private let opened: [String: Set<String>?]

    /// The shortest token that is taken.
    private static let shortest = 16

    /// - Throws: `ServingError` naming the file and the line.
    public init(file: URL) throws(ServingError) {
        guard let data = FileManager.default.contents(atPath: file.path), let text = String(data: data, encoding: .utf8) else {
            throw ServingError(500, "\(file.path): the tokens cannot be read")
        }
        var opened: [String: Set<String>?] = [:]
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = line.trimmingCharacters(in: .whitespaces)
            if line.isEmpty || line.hasPrefix("#") { continue }
            let words = line.split(separator: " ", omittingEmptySubsequences: true)
            guard words.count == 2, words[0].count >= Self.shortest else {
                throw ServingError(
                    500,
                    "\(file.path), line \(number + 1): expected a token of at least \(Self.shortest) characters, a space, and "
                        + "tasks separated by commas, or *")
            }
            let tasks = words[1].split(separator: ",").map(String.init)
            opened[Self.digest(words[0])] = .some(tasks == ["*"] ? nil : Set(tasks))
        }
        if opened.isEmpty { throw ServingError(500, "\(file.path): there is no token in it") }
        self.opened = opened
    }

    private static func digest(_ token: some StringProtocol) -> String { FileDigest.of(Data(token.utf8)) }

    /// What the value of an `Authorization` header opens; `nil` for everything.
    /// - Throws: `ServingError` if it opens nothing.
    func tasks(openedBy authorization: String?) throws(ServingError) -> Set<String>? {
        guard let authorization else { throw ServingError(401, "a bearer token is needed: Authorization: Bearer TOKEN") }
        let words = authorization.split(separator: " ")
        guard words.count == 2, words[0].lowercased() == "bearer", let tasks = opened[Self.digest(words[1])] else {
            throw ServingError(401, "this token is not known")
        }
        return tasks
    }
}
