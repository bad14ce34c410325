import Glibc
import SwiftletRealtime

// Appends numbered messages until it is killed, and says each number on standard output once it is told that the message is stored.

/// One line, written at once: a kill takes nothing back.
@Sendable func say(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = bytes.withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
}

guard CommandLine.arguments.count == 2 else {
    say("usage: history-probe FILE")
    exit(2)
}

let history: SQLiteHistory
do {
    history = try SQLiteHistory(path: CommandLine.arguments[1])
} catch {
    say("failed \(error)")
    exit(1)
}

/// Three topics at a time, so that appends are grouped.
@Sendable func append(_ topic: String) async {
    do {
        let position = try await history.position(of: topic, isPrivate: true)
        say("open \(topic) \(position.epoch) \(position.lastOffset)")
        for offset in (position.lastOffset + 1)... {
            try await history.append([
                StoredMessage(
                    topic: topic, isPrivate: true, offset: offset, id: "m\(offset)", event: "new_message",
                    body: .json(RawJSON(unchecked: Array("{\"n\":\(offset)}".utf8))), time: Int64(offset))
            ])
            say("done \(topic) \(offset)")
        }
    } catch {
        say("failed \(error)")
        exit(1)
    }
}

await withTaskGroup(of: Void.self) { group in
    for topic in ["a", "b", "c"] { group.addTask { await append(topic) } }
}
