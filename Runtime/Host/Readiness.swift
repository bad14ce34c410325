import Swiftlet
import SwiftletEgress
import Synchronization

/// Whether the upstreams the functions declare can be reached, asked at most every 30 s and by one asker at a time.
actor UpstreamProbe {
    private let egress: HostEgress
    private let targets: [(name: String, url: String, policy: EgressPolicy)]
    private var last: (at: ContinuousClock.Instant, checks: [HostReport.Check])?
    private var running: Task<[HostReport.Check], Never>?

    init(egress: HostEgress, targets: [(name: String, url: String, policy: EgressPolicy)]) {
        self.egress = egress
        self.targets = targets
    }

    func checks() async -> [HostReport.Check] {
        if let last, .now - last.at < .seconds(30) { return last.checks }
        if let running { return await running.value }
        let task = Task { [egress, targets] in
            await withTaskGroup(of: (Int, HostReport.Check).self) { group in
                for (index, target) in targets.enumerated() {
                    group.addTask {
                        let (reached, milliseconds) = await egress.reaches(
                            target.url, policy: target.policy, timeout: .seconds(1))
                        return (
                            index,
                            HostReport.Check(
                                name: "egress:\(target.name)", passed: reached, note: reached ? "reachable" : "not reachable",
                                observed: milliseconds)
                        )
                    }
                }
                return await group.reduce(into: []) { $0.append($1) }.sorted { $0.0 < $1.0 }.map(\.1)
            }
        }
        running = task
        let checks = await task.value
        running = nil
        last = (.now, checks)
        return checks
    }
}
