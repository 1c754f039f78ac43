/// Stops the program when a caller broke a rule, saying which; in release builds too, where `precondition`
/// would drop its message.
///
/// For programmer mistakes only (shape, rank, element type). What the world can get wrong — files, requests,
/// configuration — throws a typed error instead.
@inlinable
public func require(_ condition: @autoclosure () -> Bool, _ message: @autoclosure () -> String) {
    if !condition() { stop(message()) }
}

/// Stops the program with `message`.
public func stop(_ message: String) -> Never {
    fatalError(message)
}
