import Synchronization
import Testing

@testable import PandoTraining

/// A clock that the test moves and an output that it reads.
private final class Stage: Sendable {
    let time = Mutex(0.0)
    let texts = Mutex<[String]>([])

    func bar(total: Int, style: ProgressBar.Style, startingAt: Int = 0) -> ProgressBar {
        ProgressBar(
            "features", total: total, unit: "images", startingAt: startingAt, style: style,
            now: { self.time.withLock { $0 } }, write: { text in self.texts.withLock { $0.append(text) } })
    }

    func wait(_ seconds: Double) { time.withLock { $0 += seconds } }
    var written: [String] { texts.withLock { $0 } }
}

@Suite struct ProgressBarTests {
    @Test func `without a terminal there is a plain line every few seconds and one at the end`() {
        let stage = Stage()
        let bar = stage.bar(total: 100, style: .lines(every: 5))
        for _ in 0..<12 {
            stage.wait(1)
            bar.advance(by: 5)
        }
        bar.finish()
        bar.finish()
        #expect(
            stage.written == [
                "features 5/100 images, 5 %, 5.0/s, 19 s left\n", "features 30/100 images, 30 %, 5.0/s, 14 s left\n",
                "features 55/100 images, 55 %, 5.0/s, 9 s left\n", "features 60/100 images, 60 %, 5.0/s, 12 s\n",
            ])
    }

    @Test func `on a terminal one line is written over, at most ten times a second, and cut to its width`() {
        let stage = Stage()
        let bar = stage.bar(total: 10, style: .bar(columns: 40))
        bar.advance()
        stage.wait(0.05)
        bar.advance()
        stage.wait(0.1)
        bar.advance(note: "a long note about what is going on")
        #expect(stage.written.count == 2)
        for text in stage.written {
            #expect(text.hasPrefix("\r\u{1B}[K"))
            #expect(DisplayWidth.of(text.dropFirst(4)) <= 40)
        }
        bar.finish()
        #expect(stage.written.last?.hasSuffix("\n") == true)
    }

    @Test func `the rate counts only what this run did`() {
        let stage = Stage()
        let bar = stage.bar(total: 100, style: .lines(every: 0), startingAt: 50)
        stage.wait(2)
        bar.advance(by: 10)
        #expect(stage.written == ["features 60/100 images, 60 %, 5.0/s, 8 s left\n"])
    }

    @Test func `times are told in words`() {
        #expect(ProgressBar.inWords(4.4) == "4 s")
        #expect(ProgressBar.inWords(125) == "2 min 05 s")
        #expect(ProgressBar.inWords(3_780) == "1 h 03 min")
        #expect(ProgressBar.inWords(.infinity) == "?")
    }
}
