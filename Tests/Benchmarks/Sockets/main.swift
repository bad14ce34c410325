import CEpoll
import Glibc

// Load for a server that speaks Supabase's realtime protocol: it works against Swiftlet and against any peer unchanged.

signal(SIGPIPE, SIG_IGN)
guard var options = Options(Array(CommandLine.arguments.dropFirst())) else { stop("usage:\n" + Options.usage) }

bench_sharpen_timers()

// As many descriptors as the system allows; a little stays for everything that is no client.
var limit = rlimit()
getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
limit.rlim_cur = limit.rlim_max
setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
let extra = options.mode == .fanout ? options.publishers + options.slow : 0
let room = Int(clamping: limit.rlim_cur) - 16 - extra
if options.mode != .floor && options.sockets > room {
    stop("\(options.sockets) sockets need a higher limit of open files: it is \(limit.rlim_cur)")
}

switch options.mode {
case .idle: say(Idle(options).run())
case .fanout: say(FanOut(options).run())
case .joins: say(Joins(options).run())
case .connects: say(Connects(options).run())
case .floor: Floor(options).run()
}
