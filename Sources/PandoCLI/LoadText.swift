import Foundation
import Pando
import PandoLoad

/// Reports of load, for people to read.
enum LoadText {
    /// One load: what was asked for, what came, how long it took.
    static func text(_ report: LoadReport) -> String {
        var lines: [(String, String)] = [("server", report.url)]
        if let clients = report.clients { lines.append(("clients", "\(clients), each waits for its answer")) }
        if let rate = report.askedRate {
            lines.append(("asked", "\(number(rate))/s, \(report.arrivals?.rawValue ?? ""), \(report.due) requests"))
        }
        lines.append(("sent", "\(number(report.achievedRate))/s, \(report.sent) requests in \(number(report.seconds)) s"))
        if report.notSentInTime > 0 {
            lines.append(("not sent", "\(report.notSentInTime) requests found no free connection in time"))
        }
        lines.append(("goodput", "\(number(report.goodput)) answers with 200 a second"))
        for (status, count) in report.statuses.sorted(by: { $0.key < $1.key }) {
            lines.append(("\(status)", "\(count)" + message(report, "\(status)")))
        }
        if report.timeouts > 0 { lines.append(("timeouts", "\(report.timeouts)")) }
        if report.connectionErrors > 0 {
            lines.append(("no connection", "\(report.connectionErrors)" + message(report, "connection")))
        }
        lines.append(("bytes", "\(Console.bytes(report.bytesSent)) sent, \(Console.bytes(report.bytesReceived)) received"))
        if !report.serverMilliseconds.isEmpty {
            let phases = report.serverMilliseconds.sorted { $0.key < $1.key }.map { "\($0.key) \(number($0.value))" }
            lines.append(("server's ms", phases.joined(separator: ", ") + " (medians)"))
        }
        if !report.levels.isEmpty {
            let levels = report.levels.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
            lines.append(("levels", levels.joined(separator: ", ")))
        }
        if let late = report.sentLate, report.askedRate != nil {
            lines.append(("sent late", "99 % by at most \(number(late)) ms"))
        }
        let width = lines.map(\.0.count).max() ?? 0
        let facts = lines.map { $0.0.padding(toLength: width + 2, withPad: " ", startingAt: 0) + $0.1 }
        return facts.joined(separator: "\n") + "\n\n" + latencies(report).description
    }

    /// A row for each step.
    static func table(_ found: LoadSteps) -> String {
        let titles = [
            "asked/s", "sent/s", "goodput/s", "p50 ms", "p90", "p99", "p99.9", "max", "refused", "p99 of those", "failed",
            "not sent",
        ]
        var table = Table([.init("share")] + titles.map { .init($0, .right) })
        for step in found.steps {
            let (report, latency) = (step.report, step.report.latency)
            let rates = [report.askedRate, report.achievedRate, report.goodput]
            let times = [latency?.p50, latency?.p90, latency?.p99, latency?.p999, latency?.maximum]
            var cells = ["\(Int((step.share * 100).rounded())) %"]
            cells += (rates + times).map { $0.map(number) ?? "" }
            cells += ["\(report.refusals?.count ?? 0)", report.refusals.map { number($0.p99) } ?? ""]
            cells += ["\(failures(report))", "\(report.notSentInTime)"]
            table.add(cells)
        }
        let saturation = "saturation \(number(found.saturation.goodput)) answers with 200 a second, "
            + "\(found.saturation.clients ?? 0) clients"
        return "\(found.saturation.url)\n\(saturation)\n\n\(table)"
    }

    private static func latencies(_ report: LoadReport) -> Table {
        var table = Table(
            [.init("latency, ms")] + ["count", "p50", "p90", "p99", "p99.9", "max"].map { .init($0, .right) })
        for (name, latency) in [("answered", report.latency), ("refused", report.refusals)] {
            guard let latency else { continue }
            let times = [latency.p50, latency.p90, latency.p99, latency.p999, latency.maximum]
            table.add([name, "\(latency.count)"] + times.map(number))
        }
        return table
    }

    /// Everything that is neither an answer with 200 nor a refusal.
    private static func failures(_ report: LoadReport) -> Int {
        let good = (report.statuses[200] ?? 0) + (report.refusals?.count ?? 0)
        return report.statuses.values.reduce(0, +) - good + report.connectionErrors + report.timeouts
    }

    private static func message(_ report: LoadReport, _ key: String) -> String {
        report.messages[key].map { ", such as: \($0)" } ?? ""
    }

    private static func number(_ value: Double) -> String {
        String(format: value < 9.995 ? "%.2f" : value < 99.95 ? "%.1f" : "%.0f", value)
    }
}
