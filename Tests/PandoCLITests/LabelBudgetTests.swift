import Foundation
import PandoTestSupport
import Testing

extension CommandLineTests {
    /// `pando affinity` and `pando budget`, on a small text network.
    @Suite struct LabelBudgetTests {
        private func workshop() throws -> (workshop: Workshop, plan: String) {
            let workshop = try Workshop()
            try workshop.writeTexts()
            try workshop.writeBERT()
            return (workshop, try workshop.textPlan(adapter: "probe"))
        }

        /// The texts again, of which most have no size.
        private func writeFewSizes(_ workshop: Workshop) throws {
            let lines = String(decoding: try workshop.bytes("texts.csv"), as: UTF8.self).split(separator: "\n")
            let few = lines.enumerated().map { index, line -> String in
                var fields = line.split(separator: ",").map(String.init)
                if fields[3] == "train", index % 3 != 0 { fields[2] = "" }
                return fields.joined(separator: ",")
            }
            try workshop.write(few.joined(separator: "\n") + "\n", to: "texts.csv")
        }

        @Test func `affinity of every pair is measured, drawn, and the same again`() throws {
            let (workshop, plan) = try workshop()
            let picture = workshop.path("affinity.svg")
            let arguments = [
                "affinity", plan, "--measurements", "2", "--interval", "3", "--plot", picture, "--json", "--quiet",
            ]
            let first = try workshop.program.run(arguments)
            #expect(first.code == 0, "\(first.errors)")
            let found = try first.json()
            #expect(found["tasks"] as? [String] == ["topic", "size"])
            let gains = try #require(found["gains"] as? [[Double]])
            #expect(gains[0][0] == 0 && gains[1][1] == 0 && gains[0][1] != 0 && gains[1][0] != 0)
            #expect(found["stepCount"] as? Int == 6 && found["measurementCount"] as? Int == 2)
            #expect(String(decoding: try workshop.bytes("affinity.svg"), as: UTF8.self).contains("<svg"))
            #expect(try workshop.program.run(arguments).output == first.output)
        }

        @Test func `a budget is spent on examples that have no label yet`() throws {
            let (workshop, plan) = try workshop()
            try writeFewSizes(workshop)
            let outcome = try workshop.program.run(
                "budget", plan, "--labels", "12", "--rounds", "3", "--cost", "size=1", "--steps", "10", "-o",
                workshop.path("next.csv"), "--quiet")
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(outcome.output.contains("round 3") && outcome.output.contains("4 examples to label next"))
            let lines = String(decoding: try workshop.bytes("next.csv"), as: UTF8.self).split(separator: "\n")
            #expect(lines.count == 5 && lines.dropFirst().allSatisfy { $0.hasSuffix(",size") })
        }

        @Test func `ways to spend a budget are held against each other on labels that are there`() throws {
            let (workshop, plan) = try workshop()
            let outcome = try workshop.program.run(
                "budget", plan, "--labels", "20", "--rounds", "2", "--seed-labels", "8", "--steps", "10", "--json", "--quiet")
            #expect(outcome.code == 0, "\(outcome.errors)")
            let ways = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: Any]])
            #expect(ways.compactMap { $0["strategy"] as? String } == ["adaptive", "uniform", "equal money", "proportional", "random"])
            for way in ways {
                let rounds = try #require(way["rounds"] as? [[String: Any]])
                #expect(rounds.count == 3 && rounds[0]["labels"] as? [Int] == [8, 8])
                #expect((rounds[2]["labels"] as? [Int])?.reduce(0, +) == 36)
            }
        }

        @Test(arguments: [
            (["--labels", "1"], "1.0 is less than one label of each of the 2 tasks, which is 2.0"),
            (["--labels", "9", "--cost", "tpoic=2"], "did you mean 'topic'?"),
            (["--labels", "9", "--cost", "topic=0"], "a cost is more than 0"),
            (["--labels", "9", "--cost", "topic=-1", "--cost", "szie=2"], "did you mean 'size'?"),
            (["--labels", "9", "--cost", "topic"], "not 'topic'"),
            (["--labels", "0"], "--labels is more than 0"),
            (["--labels", "9"], "every training example is labelled for every task"),
            (["--labels", "9", "--seed-labels", "500"], "task 'topic' has 36 training labels in all"),
            (["--labels", "9", "--rounds", "0"], "--rounds is 1 to 1000, not 0"),
        ])
        func `a budget that cannot be spent is refused`(arguments: [String], says: String) throws {
            let (workshop, plan) = try workshop()
            try workshop.program.expectRefusal(["budget", plan] + arguments, says: [says])
        }

        @Test func `a task without labels is refused by name`() throws {
            let (workshop, plan) = try workshop()
            let lines = String(decoding: try workshop.bytes("texts.csv"), as: UTF8.self).split(separator: "\n")
            let none = lines.enumerated().map { index, line -> String in
                var fields = line.split(separator: ",").map(String.init)
                if index > 0 { fields[2] = "" }
                return fields.joined(separator: ",")
            }
            try workshop.write(none.joined(separator: "\n") + "\n", to: "texts.csv")
            try workshop.program.expectRefusal(["budget", plan, "--labels", "9"], says: ["tasks.size", "'size'"])
        }
    }
}
