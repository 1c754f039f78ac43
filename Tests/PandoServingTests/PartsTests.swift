import CoreMetrics
import Foundation
import Metrics
import PandoTestSupport
import Testing

@testable import PandoServing

@Suite struct MultipartTests {
    @Test func `parts come back with their names and their bytes, whatever these are`() throws {
        let content = Data([0, 13, 10, 45, 45, 101, 255])
        let body = Data("preamble\r\n--edge\r\ncontent-disposition: form-data; name=\"a \\\"b\\\"\"; filename=\"x;y.png\"\r\nX: y\r\n\r\n".utf8)
            + content + Data("\r\n--edge\r\nContent-Disposition: form-data; name=text\r\n\r\n\r\n--edge--\r\nepilogue".utf8)
        let parts = try Multipart(body, contentType: "multipart/form-data; boundary=\"edge\"").parts
        #expect(parts.map(\.field) == ["a \"b\"", "text"])
        #expect(parts.map(\.fileName) == ["x;y.png", nil])
        #expect(parts.map(\.content) == [content, Data()])
    }

    @Test(arguments: [
        "--edge\r\n\r\nno head\r\n--edge--", "--edge\r\nContent-Disposition: form-data; name=a\r\n\r\nbreaks off", "nothing",
        "--edgeX", "--edge\r\nContent-Disposition: form-data\r\n\r\nno name\r\n--edge--", "",
    ])
    func `what is not made of parts is refused`(body: String) {
        #expect(throws: ServingError.self) { try Multipart(Data(body.utf8), contentType: "multipart/form-data; boundary=edge") }
    }

    @Test func `a boundary is needed`() {
        #expect(throws: ServingError.self) { try Multipart(Data("--\r\n".utf8), contentType: "multipart/form-data") }
        let long = String(repeating: "e", count: 71)
        #expect(throws: ServingError.self) {
            try Multipart(Data("--\(long)--".utf8), contentType: "multipart/form-data; boundary=\(long)")
        }
    }
}

@Suite struct PrometheusRegistryTests {
    @Test func `counters, gauges and histograms are written as Prometheus reads them`() {
        let registry = PrometheusRegistry(help: ["a_total": "All of a."], buckets: ["size": [1, 2]])
        Counter(label: "a_total", dimensions: [("what", "x\"y\\z\n")], factory: registry).increment(by: 2)
        Counter(label: "a_total", dimensions: [("what", "x\"y\\z\n")], factory: registry).increment()
        Gauge(label: "level", dimensions: [], factory: registry).record(0.5)
        let size = Recorder(label: "size", dimensions: [], aggregate: true, factory: registry)
        for value in [1, 2, 2, 7] { size.record(value) }
        Timer(label: "time_seconds", dimensions: [("phase", "a")], factory: registry).recordNanoseconds(2_000_000)
        let lines = registry.text().split(separator: "\n").map(String.init)
        #expect(
            Array(lines.prefix(11)) == [
                "# HELP a_total All of a.", "# TYPE a_total counter", #"a_total{what="x\"y\\z\n"} 3"#, "# TYPE level gauge",
                "level 0.5", "# TYPE size histogram", #"size_bucket{le="1.0"} 1"#, #"size_bucket{le="2.0"} 3"#,
                #"size_bucket{le="+Inf"} 4"#, "size_sum 12.0", "size_count 4",
            ])
        #expect(lines.contains(#"time_seconds_bucket{phase="a",le="0.001"} 0"#))
        #expect(lines.contains(#"time_seconds_bucket{phase="a",le="0.0025"} 1"#))
        #expect(lines.contains(#"time_seconds_count{phase="a"} 1"#))
    }
}

@Suite struct AccessTokensTests {
    @Test(arguments: [
        ("", "no token"), ("short a\n", "line 1"), ("# a remark\nlong-enough-0123456789\n", "line 2"),
        ("long-enough-0123456789 a b\n", "line 1"),
    ])
    func `a file that is not one of tokens is refused with the line`(text: String, word: String) throws {
        let folder = try TemporaryDirectory()
        let file = folder.url.appendingPathComponent("tokens")
        try Data(text.utf8).write(to: file)
        do {
            _ = try AccessTokens(file: file)
            Issue.record("the file was taken")
        } catch { #expect(error.description.contains(word)) }
    }
}
