import PandoTensor

/// Many pictures on one, in rows, each with lines of text below it.
public struct ContactSheet: Sendable {
    public struct Tile: Sendable {
        public var image: Image
        /// Lines below the picture, cut to its width.
        public var caption: [String]

        public init(image: Image, caption: [String]) {
            self.image = image
            self.caption = caption
        }
    }

    public var tiles: [Tile]
    public var columns: Int
    /// Side of the square that each picture is scaled into, in pixels.
    public var side: Int

    private static let margin = 8
    private static let lineHeight = 16

    /// - Precondition: `columns` and `side` are positive.
    public init(tiles: [Tile], columns: Int = 6, side: Int = 160) {
        require(columns > 0 && side > 0, "ContactSheet: expected positive columns and side, got \(columns), \(side)")
        self.tiles = tiles
        self.columns = columns
        self.side = side
    }

    /// The sheet as one image, white where there is nothing.
    public func rendered() throws(ImageError) -> Image {
        let columns = max(1, min(self.columns, tiles.count))
        let rows = max(1, (tiles.count + columns - 1) / columns)
        let lines = tiles.map(\.caption.count).max() ?? 0
        let cell = PixelSize(
            width: side + Self.margin, height: side + lines * Self.lineHeight + Self.margin)
        var sheet = Image(
            width: columns * cell.width + Self.margin, height: rows * cell.height + Self.margin, filledWith: .white)
        for (index, tile) in tiles.enumerated() {
            let left = Self.margin + index % columns * cell.width
            let top = Self.margin + index / columns * cell.height
            let picture = try tile.image.fitted(to: Preprocessing(resize: .pad(PixelSize(side), fill: .white)))
            sheet.draw(picture, left: left, top: top)
            for (line, text) in tile.caption.enumerated() {
                try sheet.draw(text: text, left: left, top: top + side + 2 + line * Self.lineHeight, maximumWidth: side)
            }
        }
        return sheet
    }
}
