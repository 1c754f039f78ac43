extension DecodingError {
    /// Which key holds what it should not.
    package var sentence: String {
        func place(_ context: Context) -> String {
            let path = context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }
            return path.isEmpty ? "the file" : "`\(path.joined(separator: "."))`"
        }
        switch self {
        case .typeMismatch(let type, let context): return "\(place(context)) is not of type \(type)"
        case .valueNotFound(let type, let context): return "\(place(context)) is null; expected \(type)"
        case .keyNotFound(let key, let context): return "\(place(context)) lacks the key `\(key.stringValue)`"
        case .dataCorrupted(let context): return "\(place(context)): \(context.debugDescription)"
        @unknown default: return "\(self)"
        }
    }
}
