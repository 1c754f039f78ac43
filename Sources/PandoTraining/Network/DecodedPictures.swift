import PandoData
import PandoTensor

/// Every picture of a data set, decoded once, a byte for each value, to be seen again in every epoch.
struct DecodedPictures: Sendable {
    private let preprocessing: Preprocessing
    /// - Shapes: `uint8` `[N, H, W, 3]`.
    private let pixels: Tensor
    /// Where each readable picture stands in `pixels`.
    private let places: [Int]

    var count: Int { places.count }
    var byteCount: Int { pixels.byteCount }

    /// Decodes the pictures of `examples`.
    ///
    /// - Returns: the pictures, the examples whose pictures could be read (row `i` is `examples[i]`), and the others.
    /// - Throws: `ImageError` when `isStrict`, or `CancellationError`.
    static func decode(
        _ examples: [Example], preprocessing: Preprocessing, decoder: ImageDecoder, workers: Int, isStrict: Bool,
        cancellation: CancellationFlag?, progress: (_ done: Int, _ total: Int) -> Void
    ) throws -> (pictures: DecodedPictures, examples: [Example], unreadable: [UnreadableImage]) {
        let size = preprocessing.outputSize
        let length = preprocessing.outputCount
        var unreadable: [UnreadableImage] = []
        let pipeline = ImagePipeline(
            preprocessing: preprocessing, batchSize: 8, workers: workers, decoder: decoder, isStrict: isStrict)
        var done = 0
        progress(0, examples.count)
        let pixels = try Tensor(
            unsafeUninitialized: [examples.count, size.height, size.width, 3], of: UInt8.self
        ) { bytes in
            bytes.initialize(repeating: 0)
            unreadable = try pipeline.run(examples, cancellation: cancellation) { batch, _ in
                preprocessing.bytes(of: batch.pixels)
            } deliver: { positions, values in
                for (row, position) in positions.enumerated() {
                    for index in 0..<length { bytes[position * length + index] = values[row * length + index] }
                }
                done += positions.count
                progress(done, examples.count)
            }
        }
        let left = Set(unreadable.map(\.position))
        let places = examples.indices.filter { !left.contains($0) }
        return (
            DecodedPictures(preprocessing: preprocessing, pixels: pixels, places: places), places.map { examples[$0] },
            unreadable
        )
    }

    /// Black pictures, for a rehearsal.
    init(blank count: Int, preprocessing: Preprocessing) {
        let size = preprocessing.outputSize
        self.preprocessing = preprocessing
        pixels = .zeros([count, size.height, size.width, 3], .uint8)
        places = Array(0..<count)
    }

    private init(preprocessing: Preprocessing, pixels: Tensor, places: [Int]) {
        (self.preprocessing, self.pixels, self.places) = (preprocessing, pixels, places)
    }

    /// Some pictures as a network reads them.
    ///
    /// - Parameter generator: each picture is then mirrored or not, and shifted by up to an eighth of its sides, at
    ///   random; what comes in at an edge repeats it.
    /// - Shapes: `[rows.count, H, W, 3]`.
    func batch(_ rows: some RandomAccessCollection<Int>, augmentedUsing generator: inout SeededGenerator?) -> Tensor {
        let (height, width) = (pixels.shape[1], pixels.shape[2])
        let table = preprocessing.valueTable
        return pixels.withScalars(as: UInt8.self) { bytes in
            Tensor(unsafeUninitialized: [rows.count, height, width, 3], of: Float.self) { values in
                var next = 0
                for row in rows {
                    let start = places[row] * height * width * 3
                    let change = Change(height, width, using: &generator)
                    for y in 0..<height {
                        let line = start + change.row(y) * width * 3
                        for x in 0..<width {
                            let pixel = line + change.column(x) * 3
                            values[next] = table[Int(bytes[pixel])]
                            values[next + 1] = table[256 + Int(bytes[pixel + 1])]
                            values[next + 2] = table[512 + Int(bytes[pixel + 2])]
                            next += 3
                        }
                    }
                }
            }
        }
    }

    /// How one picture is changed.
    private struct Change {
        private let height, width, down, right: Int
        private let isMirrored: Bool

        init(_ height: Int, _ width: Int, using generator: inout SeededGenerator?) {
            (self.height, self.width) = (height, width)
            guard var present = generator else {
                (down, right, isMirrored) = (0, 0, false)
                return
            }
            down = Int.random(in: -height / 8...height / 8, using: &present)
            right = Int.random(in: -width / 8...width / 8, using: &present)
            isMirrored = Bool.random(using: &present)
            generator = present
        }

        /// The row that comes to stand at `y`.
        func row(_ y: Int) -> Int { min(max(y - down, 0), height - 1) }

        func column(_ x: Int) -> Int {
            let x = min(max(x - right, 0), width - 1)
            return isMirrored ? width - 1 - x : x
        }
    }
}

extension Preprocessing {
    /// What each byte of each channel becomes: 256 values for red, then green, then blue.
    fileprivate var valueTable: [Float] {
        (0..<3).flatMap { channel in (0..<256).map { (Float($0) * rescale - mean[channel]) / deviation[channel] } }
    }

    /// The bytes that preprocessed pictures came from.
    fileprivate func bytes(of pictures: Tensor) -> [UInt8] {
        pictures.withScalars { values in
            values.indices.map { index in
                let byte = (values[index] * deviation[index % 3] + mean[index % 3]) / rescale
                return UInt8(min(max(byte.rounded(), 0), 255))
            }
        }
    }
}
