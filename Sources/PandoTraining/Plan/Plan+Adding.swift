import Foundation
import PandoBranches

extension Plan {
    /// The plan of further tasks for a bundle that was trained by this plan.
    ///
    /// The file has `tasks:` as a plan has it, and perhaps `adapter:`, `train:` and `data:`; what those leave out is as
    /// here. All else belongs to the whole plan and is refused. Where the data or the training are others than here,
    /// the tasks say so themselves.
    /// - Parameter replacing: whether tasks may have names that this plan has already, to be trained anew.
    /// - Throws: `PlanError` with everything that is wrong.
    public func addition(contentsOf file: URL, replacing: Bool = false) throws(PlanError) -> Plan {
        try addition(
            yaml: Self.text(of: file), file: file.path, folder: file.deletingLastPathComponent(), replacing: replacing)
    }

    /// As `addition(contentsOf:replacing:)`, from the file's text.
    ///
    /// - Parameters:
    ///   - file: what messages call the file.
    ///   - folder: where relative paths start.
    public func addition(yaml: String, file: String, folder: URL, replacing: Bool = false) throws(PlanError) -> Plan {
        try Self.read(yaml, file: file, needs: "tasks") {
            PlanReader(folder: folder).addition($0, to: self, replacing: replacing)
        }
    }

    /// This plan with the tasks of an addition: in the places of those of their names, or last.
    func merged(with addition: Plan) -> Plan {
        var plan = self
        // What was shared by all tasks is not shared by those that come later.
        plan.sharing?.tasks = sharedTasks.map { tasks[$0].name }
        for task in addition.tasks {
            if let place = plan.tasks.firstIndex(where: { $0.name == task.name }) {
                plan.tasks[place] = task
            } else {
                plan.tasks.append(task)
            }
        }
        return plan
    }

    /// One plan for each data set that tasks learn from, with those tasks, in the order in which they first stand here.
    var byData: [Plan] {
        var plans: [Plan] = []
        for task in tasks {
            if let place = plans.firstIndex(where: { $0.data == task.data ?? data }) {
                plans[place].tasks.append(task)
            } else {
                var plan = self
                (plan.data, plan.tasks) = (task.data ?? data, [task])
                plans.append(plan)
            }
        }
        return plans
    }
}

extension PlanReader {
    /// Reads what is to be added to a bundle of `plan`.
    func addition(_ section: PlanSection, to plan: Plan, replacing: Bool) -> Plan {
        for key in ["name", "backbone", "text_backbone", "sharing", "features", "budget"] where section.has(key) {
            _ = section.value(key)
            section.problem(
                key, "belongs to the whole plan; the bundle keeps its own, which holds for added tasks too, so leave it out")
        }
        var addition = plan
        addition.sharing = nil
        addition.backbone.isTrained = false
        if section.has("data") {
            addition.data = data(section)
            if addition.data.holdsTexts != plan.backbone.readsTexts {
                section.problem(
                    "data",
                    addition.data.holdsTexts
                        ? "the bundle's \(plan.backbone.name) sees pictures, but these data are texts"
                        : "the bundle's \(plan.backbone.name) reads texts, but these data are pictures")
            }
        }
        addition.train = train(section, addition.backbone, else: plan.train)
        if addition.train.precision != plan.train.precision {
            section.problem(
                "train",
                "the backbone of all tasks computes in the precision \(plan.train.precision.rawValue), as the bundle says; leave out 'precision'")
        }
        addition.tasks = tasks(section, AdapterReader.choice(in: section) ?? AdapterChoice(), addition.backbone)
        checkNames(of: addition.tasks, in: section, plan, replacing: replacing)
        for place in addition.tasks.indices {
            if addition.data != plan.data { addition.tasks[place].data = addition.data }
            if addition.train != plan.train { addition.tasks[place].train = addition.train }
        }
        addition.name = "\(plan.name) + \(addition.tasks.map(\.name).joined(separator: ", "))"
        return addition
    }

    /// Refuses the names of tasks that stay as they are.
    private func checkNames(of tasks: [TaskPlan], in section: PlanSection, _ plan: Plan, replacing: Bool) {
        let shared = Set(plan.sharedTasks.map { plan.tasks[$0].name })
        guard let section = section.section("tasks") else { return }
        for task in tasks where plan.tasks.contains(where: { $0.name == task.name }) {
            if shared.contains(task.name) {
                section.problem(
                    task.name,
                    "the bundle's task of this name shares weights with others, so it is not trained anew alone; give this one another name, or train the whole plan anew")
            } else if !replacing {
                section.problem(
                    task.name, "the bundle has a task of this name; give this one another, or say --replace to train it anew")
            }
        }
    }
}
