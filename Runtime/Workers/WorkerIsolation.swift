package import Swiftlet

/// Every function in workers of its own.
package struct WorkerIsolation: Isolation {
    private let settings: WorkerSettings
    private let launcher: any WorkerLauncher
    private let turns: BootTurns

    package init(settings: WorkerSettings, launcher: any WorkerLauncher) {
        self.settings = settings
        self.launcher = launcher
        turns = BootTurns(settings.bootsAtOnce)
    }

    package func invoker(for registration: Registration, site: InvokerSite) -> any Invoker {
        WorkerPool(registration, site: site, settings: settings, launcher: launcher, turns: turns)
    }
}
