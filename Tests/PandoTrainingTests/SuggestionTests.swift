import Testing

@testable import PandoTraining

@Suite struct SuggestionTests {
    @Test(arguments: [
        ("haed", "head"), ("epoch", "epochs"), ("clasification", "classification"), ("Clipart", "clipart"),
        ("lerning_rate", "learning_rate"), ("mlq", "mlp"),
    ])
    func `a slip of the hand finds the name that was meant`(typed: String, meant: String) {
        let names = ["head", "epochs", "classification", "clipart", "learning_rate", "mlp", "linear"]
        #expect(Suggestion.nearest(to: typed, among: names) == meant)
    }

    @Test func `a wholly different name suggests nothing and lists what is expected`() {
        #expect(Suggestion.nearest(to: "banana", among: ["head", "epochs"]) == nil)
        #expect(Suggestion.hint(for: "banana", among: ["head", "kind", "column"]) == "; expected head, kind or column")
    }

    @Test func `a swap of neighbours is one edit`() {
        #expect(Suggestion.distance(Array("haed"), Array("head")) == 1)
        #expect(Suggestion.distance(Array("kitten"), Array("sitting")) == 3)
        #expect(Suggestion.distance([], Array("abc")) == 3)
    }
}
