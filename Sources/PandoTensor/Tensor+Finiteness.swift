extension Tensor {
    /// Whether no element is infinite or not a number.
    public var isFinite: Bool {
        guard elementType.isFloatingPoint else { return true }
        return cast(to: .float32).withScalars { values in
            // An exponent of all ones is infinite or no number; no early exit, so that the loop is vectorised.
            var worst: UInt32 = 0
            for value in values { worst = Swift.max(worst, value.bitPattern & 0x7F80_0000) }
            return worst != 0x7F80_0000
        }
    }
}
