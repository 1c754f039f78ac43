import Synchronization

/// What a request asked, in a word of few: a task, `all`, `several`, or the name of a page.
final class Aim: Sendable {
    private let word = Mutex("other")

    var value: String {
        get { word.withLock { $0 } }
        set { word.withLock { $0 = newValue } }
    }
}
