import Foundation
import PandoTensor
import PandoTestSupport
import Testing

@testable import PandoData

@Suite struct DrawingTests {
    @Test func aWrittenPictureReadsBackBitForBit() throws {
        let folder = try TemporaryDirectory()
        let image = Scenes(count: 1, side: 64).scene(0).image(side: 64)
        try image.write(png: folder.file("a.png"))
        #expect(try ImageDecoder().image(at: folder.file("a.png")) == image)
        #expect(try folder.names == ["a.png"])
    }

    @Test func aPictureThatCannotBeWrittenSaysWhere() {
        let nowhere = URL(fileURLWithPath: "/nowhere/at/all.png")
        #expect { try Image(width: 1, height: 1, filledWith: .black).write(png: nowhere) } throws: { error in
            "\(error)".contains("/nowhere/at")
        }
    }

    @Test func drawingKeepsWithinTheImage() {
        var image = Image(width: 4, height: 4, filledWith: .white)
        image.draw(Image(width: 3, height: 3, filledWith: .black), left: -2, top: 2)
        image.fill(left: 3, top: -5, width: 9, height: 6, with: Color(red: 9, green: 8, blue: 7))
        image.draw(Image(width: 3, height: 3, filledWith: .black), left: 40, top: 0)
        #expect((0..<4).map { image[0, $0] } == [.white, .white, .black, .black])
        #expect(image[1, 2] == .white && image[3, 0] == Color(red: 9, green: 8, blue: 7) && image[3, 1] == .white)
    }

    @Test func textLeavesInkAndKeepsItsWidth() throws {
        var image = Image(width: 200, height: 20, filledWith: .white)
        try image.draw(text: "many <words> & more words than fit", left: 10, top: 2, maximumWidth: 50)
        let inked = (0..<200).filter { x in (0..<20).contains { image[x, $0] != .white } }
        #expect(inked.count > 20 && inked.min()! >= 10 && inked.max()! < 60)
        try image.draw(text: " \n", left: 0, top: 0, maximumWidth: 50)
        #expect(image[0, 0] == .white)
    }

    @Test func aContactSheetHoldsEveryTileAndItsCaption() throws {
        let tiles = (0..<5).map { index in
            ContactSheet.Tile(
                image: Image(width: 10, height: 20, filledWith: Color(red: UInt8(index * 40), green: 0, blue: 0)),
                caption: ["number \(index)", "second line"])
        }
        let sheet = try ContactSheet(tiles: tiles, columns: 3, side: 60).rendered()
        #expect(sheet.width == 3 * 68 + 8 && sheet.height == 2 * (60 + 32 + 8) + 8)
        for index in 0..<5 {
            let (left, top) = (8 + index % 3 * 68, 8 + index / 3 * 100)
            #expect(sheet[left + 30, top + 30] == Color(red: UInt8(index * 40), green: 0, blue: 0))
            let ink = (top + 60..<top + 92).contains { y in (left..<left + 60).contains { sheet[$0, y] != .white } }
            #expect(ink, "tile \(index) has no caption")
        }
        #expect(try ContactSheet(tiles: []).rendered().width > 0)
    }
}
