import Foundation

/// Brings Pando and its peers together: one after the other does the same work, round by round, so that whatever else
/// happens on the machine meets all alike.
struct Meeting {
    let stopwatch: Stopwatch
    /// Nil if Pando is alone.
    let options: Peer.Options?
    private var present: [String: Peer] = [:]
    /// What could not be measured and why, above all peers that left.
    private(set) var failures: [String] = []
    private var gone: Set<String> = []

    /// Seconds between two turns, in which threads that still look for work fall asleep.
    private static let pause = 0.1

    init(stopwatch: Stopwatch, options: Peer.Options?) {
        self.stopwatch = stopwatch
        self.options = options
    }

    /// Units a second of Pando and of all peers of these names that can do the work.
    mutating func rates(_ key: Work.Key, _ ours: any Contestant, against names: [String]) throws -> (
        ours: Figure, peers: [PeerFigure]
    ) {
        let guests = guests(key, names)
        let rates = try rounds(key.description, [ours] + guests)
        guard let own = rates[0] else { throw PeerError(peer: ours.name, reason: "no figure for \(key.description)") }
        let peers = zip(guests, rates.dropFirst()).compactMap { guest, rates in
            rates.map {
                PeerFigure(
                    peer: guest.row?.peer ?? guest.name, figure: Figure(medianOf: $0), version: guest.row?.version,
                    how: guest.row?.how)
            }
        }
        return (Figure(medianOf: own), peers)
    }

    /// The peers of these names that are still there.
    mutating func guests(_ key: Work.Key, _ names: [String]) -> [PeerRuns] {
        guard let options else { return [] }
        var guests: [PeerRuns] = []
        for name in names where !gone.contains(name) {
            do {
                let peer = try present[name] ?? Peer(name, options: options)
                present[name] = peer
                guests.append(PeerRuns(peer, key))
            } catch {
                leave(name, because: error)
            }
        }
        return guests
    }

    /// What each measures, in turns; nil for a peer that could not, after which it is not asked again.
    ///
    /// - Parameter seconds: the shortest turn, for a work that goes on for long once it is under way: in a short one what
    ///   others did to the caches weighs as much as the work.
    /// - Throws: errors of those who run in this process.
    mutating func rounds(_ title: String, _ contestants: [any Contestant], atLeast seconds: Double = 0) throws
        -> [[Double]?]
    {
        var rates = [[Double]?](repeating: [], count: contestants.count)
        func turn(_ index: Int) throws -> [Double]? {
            do {
                return try contestants[index].round(seconds: max(seconds, stopwatch.roundSeconds))
            } catch let error as PeerError {
                leave(contestants[index].name, because: error)
                return nil
            }
        }
        // A process that still starts takes a core from whoever is measured.
        for (index, contestant) in contestants.enumerated() where (contestant as? PeerRuns)?.hasAnswered == false {
            if try turn(index) == nil { rates[index] = nil }
        }
        var round = 0
        let begin = Stopwatch.now
        // Where one round takes long, its figures are steady enough for two to do.
        while round < stopwatch.rounds && !(round >= 2 && Stopwatch.now - begin > 20) {
            for (index, contestant) in contestants.enumerated() where rates[index] != nil {
                if round == 0 { tell("\(title): \(contestant.name)") }
                if let measured = try turn(index) { rates[index]? += measured } else { rates[index] = nil }
                Thread.sleep(forTimeInterval: Self.pause)
            }
            round += 1
        }
        return rates
    }

    /// Tells of what could not be measured, now and in the report.
    mutating func note(_ failure: String) {
        tell("no figures from \(failure)")
        failures.append(failure)
    }

    private mutating func leave(_ name: String, because error: any Error) {
        note("\(error)")
        gone.insert(name)
        present[name] = nil
    }

    /// Lets the peers of these names go, or all.
    mutating func dismiss(_ names: [String]? = nil) throws {
        for name in names ?? Array(present.keys) {
            try present[name]?.close()
            present[name] = nil
        }
    }
}

/// A peer at one work.
final class PeerRuns: Contestant {
    private let peer: Peer
    private let key: Work.Key
    /// What it said last.
    private(set) var row: PeerRow?

    var name: String { peer.name }
    /// Whether the process has done anything yet.
    var hasAnswered: Bool { peer.hasAnswered }

    init(_ peer: Peer, _ key: Work.Key) { (self.peer, self.key) = (peer, key) }

    func round(seconds: Double) throws -> [Double] {
        let row = try peer.measure(key, seconds: seconds)
        self.row = row
        return row.rates
    }

    /// Lets the peer go.
    func close() throws { try peer.close() }
}
