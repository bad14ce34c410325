import Swiftlet
import SwiftletHost
import SwiftletWorkers

/// `swiftlet worker NAME`: this binary as the process of one function.
enum WorkerProgram {
    static func run(_ functions: [Registration]) -> Never {
        WorkerMain.run(functions) { registration, boot, link in
            let egress = WorkerEgress(registration, settings: boot.settings, allowsPrivate: boot.allowsPrivateEgress) {
                host, kind in
                link.egressDenied(host: host, kind: kind)
            }
            return { try await egress.fetch($0) }
        }
    }
}
