import Foundation
import PandoTensor

/// Which of a trunk's blocks each task runs.
public struct BlockPolicy: Sendable, Hashable, Codable {
    /// One task's blocks.
    public struct Task: Sendable, Hashable, Codable {
        public var name: String
        /// By block, from the first.
        public var runs: [Bool]

        public init(_ name: String, runs: [Bool]) { (self.name, self.runs) = (name, runs) }
    }

    public var tasks: [Task]

    public init(_ tasks: [Task]) { self.tasks = tasks }

    /// Every task runs every block: the plain shared trunk.
    public init(all blocks: Int, of tasks: [String]) {
        self.init(tasks.map { Task($0, runs: [Bool](repeating: true, count: blocks)) })
    }

    /// Runs of blocks, counted for each task.
    public var runCount: Int { tasks.reduce(0) { $0 + $1.runs.filter { $0 }.count } }

    /// The same choice for tasks of these names, in order.
    /// - Precondition: there are as many.
    public func naming(_ names: [String]) -> BlockPolicy {
        require(names.count == tasks.count, "BlockPolicy: \(names.count) names for \(tasks.count) tasks")
        return BlockPolicy(zip(names, tasks).map { Task($0, runs: $1.runs) })
    }

    /// As many runs for each task, of other blocks, all choices alike likely.
    public func shuffled(using generator: inout SeededGenerator) -> BlockPolicy {
        BlockPolicy(tasks.map { Task($0.name, runs: $0.runs.shuffled(using: &generator)) })
    }

    /// What keeps a network of so many blocks and tasks from using it, one sentence each; none if it fits.
    ///
    /// - Parameter names: the tasks', in order; `nil` where they are not known.
    public func problems(forBlocks blocks: Int, taskCount: Int, names: [String]? = nil) -> [String] {
        var problems: [String] = []
        if tasks.count != taskCount {
            problems.append("the policy is of \(tasks.count) tasks, \(tasks.map(\.name)), and there are \(taskCount) here")
        } else if let names, names != tasks.map(\.name) {
            problems.append("the policy is of the tasks \(tasks.map(\.name)), and here they are \(names), in this order")
        }
        for task in tasks where task.runs.count != blocks {
            problems.append(
                "the policy has \(task.runs.count) blocks for \(task.name), and the network has \(blocks): "
                    + "set `blocks: \(task.runs.count)`, or search again")
        }
        return problems
    }
}

extension BlockPolicy {
    private struct File: Codable {
        var format = Self.name
        var tasks: [Task]

        static let name = "pando block policy"
    }

    /// Writes it as JSON.
    /// - Throws: `FileError`.
    public func write(to file: URL) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try AtomicFile.write(encoder.encode(File(tasks: tasks)), to: file)
    }

    /// Reads a file that `write` made.
    /// - Throws: `AdapterError` that names the file: it cannot be read, or is no policy.
    public init(contentsOf file: URL) throws(AdapterError) {
        let contents: Data
        do { contents = try Data(contentsOf: file) } catch {
            throw AdapterError(file.path, "it cannot be read: \(error.localizedDescription)")
        }
        guard let read = try? JSONDecoder().decode(File.self, from: contents), read.format == File.name else {
            throw AdapterError(
                file.path, "it is no policy: expected JSON with \"format\": \"\(File.name)\" and \"tasks\", "
                    + "each with \"name\" and \"runs\", true or false for each block")
        }
        self.init(read.tasks)
    }
}
