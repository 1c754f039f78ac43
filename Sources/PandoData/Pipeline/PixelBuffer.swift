import PandoTensor

/// The pixels of one batch while it is made, and the owner of their memory afterwards.
///
/// `@unchecked Sendable`: each slot is written by the one thread that took its position; the counts change only under
/// the run's lock; `batch()` is called once, by the thread that finished the last position, and nobody writes later.
final class PixelBuffer: @unchecked Sendable {
    let number: Int
    private let positions: Range<Int>
    private let size: PixelSize
    private let values: UnsafeMutableBufferPointer<Float>
    private var state: [Slot]

    private enum Slot { case pending, readable, unreadable }

    init(number: Int, positions: Range<Int>, size: PixelSize) {
        self.number = number
        self.positions = positions
        self.size = size
        let count = positions.count * size.width * size.height * 3
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: count * 4, alignment: 64)
        values = UnsafeMutableBufferPointer(start: bytes.bindMemory(to: Float.self, capacity: count), count: count)
        state = Array(repeating: .pending, count: positions.count)
    }

    deinit { UnsafeMutableRawPointer(values.baseAddress!).deallocate() }

    private var slotCount: Int { size.width * size.height * 3 }

    /// The place of one picture.
    func slot(of position: Int) -> UnsafeMutableBufferPointer<Float> {
        let start = (position - positions.lowerBound) * slotCount
        return UnsafeMutableBufferPointer(rebasing: values[start..<start + slotCount])
    }

    /// Notes that a picture is done; true when all are.
    func finish(_ position: Int, isReadable: Bool) -> Bool {
        state[position - positions.lowerBound] = isReadable ? .readable : .unreadable
        return !state.contains(.pending)
    }

    /// The readable pictures, moved together; nil when there are none.
    func batch() -> ImageBatch? {
        var kept: [Int] = []
        for position in positions where state[position - positions.lowerBound] == .readable {
            let target = values.baseAddress! + kept.count * slotCount
            let source = values.baseAddress! + (position - positions.lowerBound) * slotCount
            if target != source { target.update(from: source, count: slotCount) }
            kept.append(position)
        }
        guard !kept.isEmpty else { return nil }
        let bytes = UnsafeRawBufferPointer(UnsafeMutableBufferPointer(rebasing: values[..<(kept.count * slotCount)]))
        return ImageBatch(
            number: number, positions: kept,
            pixels: Tensor(
                sharing: bytes, ownedBy: self, shape: [kept.count, size.height, size.width, 3], elementType: .float32))
    }
}
