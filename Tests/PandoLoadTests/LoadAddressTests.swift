import Testing

@testable import PandoLoad

@Suite struct LoadAddressTests {
    @Test func `predictions are asked for where the address has no path`() throws {
        #expect(try LoadAddress("http://127.0.0.1:8080").url == "http://127.0.0.1:8080/predict")
        #expect(try LoadAddress("http://localhost:8080/").url == "http://localhost:8080/predict")
        #expect(try LoadAddress("http://[::1]:9/v1/infer").url == "http://[::1]:9/v1/infer")
        #expect(try LoadAddress("http://127.0.0.1:9/v1", path: "/predict").url == "http://127.0.0.1:9/predict")
    }

    @Test func `the query is escaped`() throws {
        let address = try LoadAddress("http://127.0.0.1:1", query: [("tasks", "a,b c"), ("compute", "0.5")])
        #expect(address.url == "http://127.0.0.1:1/predict?tasks=a,b%20c&compute=0.5")
    }

    @Test(arguments: [
        "example.org", "10.0.0.1", "127.0.0.1.example.org", "127.1", "127.0.0.256", "localhost.example.org", "0.0.0.0",
        "127.0.0.1@example.org",
    ])
    func `other machines are refused unless they are allowed`(host: String) throws {
        let error = #expect(throws: LoadError.self) { try LoadAddress("http://\(host):8080") }
        #expect(try #require(error).description.contains("--allow-remote"))
        #expect(try LoadAddress("http://\(host):8080", allowsRemote: true).url == "http://\(host):8080/predict")
    }

    @Test(arguments: ["", "127.0.0.1:8080", "ftp://127.0.0.1", "http://", "http:///predict"])
    func `what is no address is refused`(text: String) {
        #expect(throws: LoadError.self) { try LoadAddress(text) }
    }

    @Test func `a path begins with a slash`() {
        #expect(throws: LoadError.setting("a path begins with /, 'predict' does not")) {
            try LoadAddress("http://127.0.0.1", path: "predict")
        }
    }
}
