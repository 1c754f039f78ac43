import PandoTensor

/// How far down the list a text's own image comes, and an image's own text.
public struct RetrievalMetrics: Sendable, Hashable {
    /// One direction's numbers.
    public struct Direction: Sendable, Hashable, Codable {
        /// Share of queries whose match is first, among the first five, among the first ten.
        public let recallAt1, recallAt5, recallAt10: Double
        /// The middle rank; between two, their mean. The best is 1.
        public let medianRank: Double

        /// - Parameter ranks: each query's rank of its match, from 1.
        public init(ranks: [Int]) {
            func recall(_ limit: Int) -> Double { ratio(ranks.count { $0 <= limit }, ranks.count) }
            (recallAt1, recallAt5, recallAt10) = (recall(1), recall(5), recall(10))
            let sorted = ranks.sorted()
            let middle = sorted.count / 2
            if sorted.isEmpty {
                medianRank = 0
            } else {
                medianRank =
                    sorted.count % 2 == 1 ? Double(sorted[middle]) : Double(sorted[middle - 1] + sorted[middle]) / 2
            }
        }
    }

    /// Texts looking for images.
    public let textToImage: Direction
    /// Images looking for texts.
    public let imageToText: Direction
    public let exampleCount: Int

    /// - Parameters:
    ///   - textRanks: the rank of each text's image.
    ///   - imageRanks: the rank of each image's text.
    public init(textRanks: [Int], imageRanks: [Int]) {
        require(
            textRanks.count == imageRanks.count,
            "RetrievalMetrics: \(textRanks.count) texts for \(imageRanks.count) images")
        textToImage = Direction(ranks: textRanks)
        imageToText = Direction(ranks: imageRanks)
        exampleCount = textRanks.count
    }

    /// The rank of each query's match among all candidates, from 1.
    ///
    /// A candidate as similar as the match counts as ahead of it, so that equal embeddings do not look like success.
    /// - Parameters:
    ///   - similarities: some consecutive queries' rows over all candidates.
    ///   - firstQuery: the first row's query; a query's match is the candidate of its own number.
    public static func ranks(in similarities: ScoreTable, firstQuery: Int) -> [Int] {
        (0..<similarities.rowCount).map { row in
            let match = firstQuery + row
            let own = similarities[row, match]
            var rank = 1
            for candidate in 0..<similarities.columnCount where candidate != match {
                // Not `>=` alone: a similarity that is not a number must never make a match look good.
                if !(similarities[row, candidate] < own) { rank += 1 }
            }
            return rank
        }
    }

    var scores: [Score] {
        [
            Score("recall@10", textToImage.recallAt10), Score("recall@1", textToImage.recallAt1),
            Score("recall@5", textToImage.recallAt5),
            Score("median_rank", textToImage.medianRank, largerIsBetter: false),
            Score("image_to_text_recall@1", imageToText.recallAt1),
            Score("image_to_text_recall@5", imageToText.recallAt5),
            Score("image_to_text_recall@10", imageToText.recallAt10),
            Score("image_to_text_median_rank", imageToText.medianRank, largerIsBetter: false),
        ]
    }
}
