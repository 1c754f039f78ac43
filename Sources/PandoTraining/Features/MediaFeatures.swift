import Foundation
import PandoBackbones
import PandoData
import PandoTensor

/// Features of pictures and of the frames of videos, a row each.
public struct MediaFeatures: Sendable {
    /// What the rows of one file are.
    public struct Source: Sendable, Codable {
        public var path: String
        /// `picture` or `video`.
        public var kind: String
        public var firstRow: Int
        public var rowCount: Int
        /// What the video's header says.
        public var video: VideoHeader?
        /// What could not be read of the video.
        public var problems: [VideoReport.Problem]
    }

    /// A file of which nothing could be read.
    public struct Unreadable: Sendable, Codable {
        public var path: String
        public var error: String
    }

    /// - Shapes: `[rows, C]`.
    public let pooled: Tensor
    /// By tap: `[rows, ...]`, the tap's own shape, or its mean over the picture where the backbone pools its taps.
    public let taps: [Tap.Name: Tensor]
    /// Seconds from the start of the video to each row's frame; 0 for pictures.
    public let timestamps: [Float]
    public let sources: [Source]
    public let unreadable: [Unreadable]
}

/// Runs a frozen backbone over pictures and the frames of videos.
///
/// Pictures are decoded on all threads; a video's frames come one after another and go through the backbone a few at a
/// time, so that memory holds those few and the features.
public struct MediaExtraction: Sendable {
    public let backbone: FrozenBackbone
    public let preprocessing: Preprocessing
    public var sampling: VideoSampling
    /// Seconds at which the part of each video begins that is looked at.
    public var start: Double
    /// Seconds at which it ends; nil for the end of the video.
    public var end: Double?
    public var imageDecoder: ImageDecoder
    public var videoDecoder: VideoDecoder
    public var workers: Int
    /// Whether a file that cannot be read, or of a video any part, stops everything.
    public var isStrict: Bool

    /// - Precondition: `workers` is positive.
    public init(
        _ backbone: FrozenBackbone, preprocessing: Preprocessing, sampling: VideoSampling = .rate(1), start: Double = 0,
        end: Double? = nil, imageDecoder: ImageDecoder = ImageDecoder(), videoDecoder: VideoDecoder = VideoDecoder(),
        workers: Int = MachineResources.allowedCores, isStrict: Bool = false
    ) {
        require(workers > 0, "MediaExtraction: expected at least one worker, got \(workers)")
        self.backbone = backbone
        self.preprocessing = preprocessing
        self.sampling = sampling
        self.start = start
        self.end = end
        self.imageDecoder = imageDecoder
        self.videoDecoder = videoDecoder
        self.workers = workers
        self.isStrict = isStrict
    }

    /// The features of every file, in the order of `files`.
    ///
    /// - Parameter progress: called with how many pictures and frames are done, of how many; 0 where nobody knows.
    /// - Throws: `MediaError` if nothing could be read, or anything could not and `isStrict`; `CancellationError`.
    /// - Precondition: `files` is not empty; the sampling's number is positive and `start` is before `end`.
    public func extract(
        _ files: [MediaFile], cancellation: CancellationFlag? = nil,
        progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
    ) throws -> MediaFeatures {
        require(!files.isEmpty, "MediaExtraction: expected at least one file")
        var table = FeatureTable(expected: expectedCount(of: files))
        progress(0, table.expected)
        var next = 0
        while next < files.count {
            switch files[next] {
            case .video(let url):
                try extract(video: url, into: &table, cancellation, progress)
                next += 1
            case .picture:
                let pictures = files[next...].prefix { if case .picture = $0 { true } else { false } }
                try extract(pictures: pictures.map(\.url.path), into: &table, cancellation, progress)
                next += pictures.count
            }
        }
        return try table.features()
    }

    /// Pictures and frames that there will be, 0 if a video does not tell.
    private func expectedCount(of files: [MediaFile]) -> Int {
        var sum = 0
        for file in files {
            guard case .video(let url) = file else {
                sum += 1
                continue
            }
            // What cannot be opened is reported when its turn comes.
            guard case .success(let header) = Result(catching: { () throws(VideoError) in try videoDecoder.header(of: url) })
            else { continue }
            guard let count = sampling.expectedCount(of: header, from: start, to: end) else { return 0 }
            sum += count
        }
        return sum
    }

    // MARK: - Pictures

    private func extract(
        pictures: [String], into table: inout FeatureTable, _ cancellation: CancellationFlag?,
        _ progress: (Int, Int) -> Void
    ) throws {
        let examples = pictures.map {
            Example(id: $0, split: .test, image: .file(URL(fileURLWithPath: $0)), labels: [:])
        }
        let pipeline = ImagePipeline(
            preprocessing: preprocessing, batchSize: FrozenBackbone.sliceSize, workers: workers, decoder: imageDecoder,
            isStrict: isStrict)
        let leftOut = try pipeline.run(examples, cancellation: cancellation) { batch, _ in
            backbone.separatedFeatures(of: batch.pixels)
        } deliver: { positions, features in
            for position in positions {
                table.begin(pictures[position], kind: "picture")
                table.count(1)
            }
            table.add(features, timestamps: positions.map { _ in 0 })
            progress(table.rowCount, table.expected)
        }
        for image in leftOut { table.leaveOut(image.id, "\(image.error)") }
    }

    // MARK: - Videos

    private func extract(
        video url: URL, into table: inout FeatureTable, _ cancellation: CancellationFlag?,
        _ progress: (Int, Int) -> Void
    ) throws {
        let capacity = FrozenBackbone.sliceSize * workers
        var pixels: [Float] = []
        var times: [Float] = []
        table.begin(url.path, kind: "video")
        func run() {
            guard !times.isEmpty else { return }
            let size = preprocessing.outputSize
            let batch = Tensor(pixels, shape: [times.count, size.height, size.width, 3])
            table.add(backbone.separatedFeatures(of: batch, workers: workers), timestamps: times)
            table.count(times.count)
            progress(table.rowCount, table.expected)
            pixels.removeAll(keepingCapacity: true)
            times.removeAll(keepingCapacity: true)
        }
        do {
            let report = try videoDecoder.forEachFrame(
                of: url, sampling: sampling, from: start, to: end, cancellation: cancellation
            ) { frame in
                pixels += try preprocessing(frame.image)
                times.append(Float(frame.timestamp))
                if times.count == capacity { run() }
            }
            run()
            table.finish(report)
            if isStrict, let problem = report.problems.first {
                throw MediaError(path: url.path, text: "\(problem.text), at \(problem.time) s")
            }
        } catch let error as VideoError where !isStrict {
            run()
            table.abandon(url.path, "\(error)")
        }
    }
}
