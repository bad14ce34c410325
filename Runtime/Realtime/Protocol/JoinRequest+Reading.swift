import SwiftletJSON

extension JoinRequest {
    /// Never fails: what is invalid has its default, and is named in `problems`.
    init(reading payload: JSONSlices.Value, in slices: borrowing JSONSlices, limits: RealtimeLimits) {
        self.init()
        guard payload.kind == .object else {
            problems.append("payload")
            isLegacy = true
            return
        }
        var config: JSONSlices.Value?
        var userToken: String?
        var members = slices.children(of: payload)
        while let member = slices.nextMember(&members) {
            if slices.isName(of: member, "config") {
                config = member.value
            } else if slices.isName(of: member, "access_token") {
                accessToken = text(member.value, "access_token", upTo: limits.tokenBytes, in: slices)
            } else if slices.isName(of: member, "user_token") {
                userToken = text(member.value, "user_token", upTo: limits.tokenBytes, in: slices)
            }
        }
        accessToken = accessToken ?? userToken
        guard let config else {
            isLegacy = true
            return
        }
        guard isObject(config, "config") else { return }
        members = slices.children(of: config)
        while let member = slices.nextMember(&members) {
            if slices.isName(of: member, "broadcast") {
                readBroadcast(member.value, in: slices)
            } else if slices.isName(of: member, "presence") {
                readPresence(member.value, in: slices, limits)
            } else if slices.isName(of: member, "postgres_changes") {
                readChanges(member.value, in: slices, limits)
            } else if slices.isName(of: member, "private") {
                isPrivate = flag(member.value, "config.private", in: slices)
            }
        }
    }

    private mutating func readBroadcast(_ value: JSONSlices.Value, in slices: borrowing JSONSlices) {
        guard isObject(value, "config.broadcast") else { return }
        var members = slices.children(of: value)
        while let member = slices.nextMember(&members) {
            if slices.isName(of: member, "self") {
                broadcast.toSelf = flag(member.value, "config.broadcast.self", in: slices)
            } else if slices.isName(of: member, "ack") {
                broadcast.ack = flag(member.value, "config.broadcast.ack", in: slices)
            } else if slices.isName(of: member, "replication_ready") {
                wantsReplicationReady = flag(member.value, "config.broadcast.replication_ready", in: slices)
            } else if slices.isName(of: member, "replay"), member.value.kind != .null {
                let replay = Replay(reading: member.value, in: slices)
                if replay.isInvalid { problems.append("config.broadcast.replay") }
                broadcast.replay = replay
            }
        }
    }

    private mutating func readPresence(_ value: JSONSlices.Value, in slices: borrowing JSONSlices, _ limits: RealtimeLimits) {
        guard isObject(value, "config.presence") else { return }
        var members = slices.children(of: value)
        while let member = slices.nextMember(&members) {
            if slices.isName(of: member, "enabled") {
                presence.enabled = flag(member.value, "config.presence.enabled", in: slices)
            } else if slices.isName(of: member, "key") {
                if member.value.kind == .number, member.value.range.count <= limits.presenceKeyBytes {
                    // Row numbers are used as keys too; the wire has only names.
                    presence.key = String(decoding: slices.bytes(of: member.value), as: UTF8.self)
                } else {
                    presence.key = text(member.value, "config.presence.key", upTo: limits.presenceKeyBytes, in: slices) ?? ""
                }
            }
        }
    }

    private mutating func readChanges(_ value: JSONSlices.Value, in slices: borrowing JSONSlices, _ limits: RealtimeLimits) {
        guard value.kind == .array else {
            if value.kind != .null { problems.append("config.postgres_changes") }
            return
        }
        var hasProblem = false
        var elements = slices.children(of: value)
        while let element = slices.nextElement(&elements) {
            if element.kind == .object, postgresChanges.count < limits.postgresChanges {
                postgresChanges.append(RawJSON(unchecked: slices.bytes(of: element)))
            } else if element.kind != .null {
                hasProblem = true
            }
        }
        if hasProblem { problems.append("config.postgres_changes") }
    }

    // MARK: Values

    /// Null is as good as absent.
    private mutating func isObject(_ value: JSONSlices.Value, _ name: String) -> Bool {
        if value.kind != .object, value.kind != .null { problems.append(name) }
        return value.kind == .object
    }

    /// Some clients write booleans as strings, in any case.
    private mutating func flag(_ value: JSONSlices.Value, _ name: String, in slices: borrowing JSONSlices) -> Bool {
        if let flag = slices.bool(of: value) { return flag }
        if value.kind == .string, value.range.count <= 64, let text = slices.text(of: value) {
            if text.isASCII("true") { return true }
            if text.isASCII("false") { return false }
        }
        if value.kind != .null { problems.append(name) }
        return false
    }

    private mutating func text(
        _ value: JSONSlices.Value, _ name: String, upTo length: Int, in slices: borrowing JSONSlices
    ) -> String? {
        if value.kind == .null { return nil }
        guard let text = slices.text(of: value), text.utf8.count <= length else {
            problems.append(name)
            return nil
        }
        return text
    }
}

extension Replay {
    init(reading value: JSONSlices.Value, in slices: borrowing JSONSlices) {
        self.init()
        guard value.kind == .object else {
            isInvalid = true
            return
        }
        var members = slices.children(of: value)
        while let member = slices.nextMember(&members) {
            let value = member.value
            if value.kind == .null { continue }
            if slices.isName(of: member, "since") {
                since = slices.integer(of: value)
                if since == nil { isInvalid = true }
            } else if slices.isName(of: member, "limit") {
                limit = slices.integer(of: value)
                if limit.map({ $0 < 1 }) ?? true { isInvalid = true }
            } else if slices.isName(of: member, "offset") {
                // Digits in a string too: a number of JavaScript ends at 2^53.
                offset = slices.integer(of: value) ?? slices.text(of: value).flatMap { $0.utf8.first == 0x2B ? nil : UInt64($0) }
                if offset == nil { isInvalid = true }
            } else if slices.isName(of: member, "epoch") {
                epoch = slices.text(of: value).flatMap { BroadcastContent.isID($0) ? $0 : nil }
                if epoch == nil { isInvalid = true }
            }
        }
        if (offset == nil) != (epoch == nil) || since == nil && offset == nil { isInvalid = true }
    }
}
