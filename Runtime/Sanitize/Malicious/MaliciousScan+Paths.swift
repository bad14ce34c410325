// Signs of leaving a folder or reading a file of the system.
extension MaliciousScan {
    /// `..` and what is put around it.
    func dots(_ place: Int) {
        guard tokens.glued(0x2E, place + 1) else { return }
        // Only the first dot of a run.
        guard !(tokens[place].glued && tokens.kind(place - 1) == 0x2E) else { return }
        var next = place + 2
        while tokens.glued(0x2E, next), next - place < 6 { next += 1 }
        let dots = next - place
        if tokens.glued(UInt8(ascii: ";"), next) { next += 1 }
        let slash = tokens[next]
        guard slash.glued else { return }
        if slash.kind == UInt8(ascii: "/") || slash.kind == UInt8(ascii: "\\") {
            let doubled = tokens.glued(slash.kind, next + 1)
            let odd = dots > 2 || doubled || tokens.kind(place + 2) == UInt8(ascii: ";")
            let isMixed = slash.kind == UInt8(ascii: "\\")
            let follow = tokens[next + 1]
            if follow.glued, follow.kind == 0x2E, tokens.glued(0x2E, next + 2) || tokens.kind(next + 2) == UInt8(ascii: ";") {
                path.add(weighed(isMixed || odd ? 6 : 4, place), at: place)
            } else if follow.glued, follow.kind == 0x2E || follow.kind == MaliciousToken.word {
                path.add(weighed(isMixed || odd ? 5 : 2, place), at: place)
                if isShort, place <= 2, follow.kind == 0x2E { path.add(6, at: place) }
                let file = tokens.roles(next + 1).shell
                if file == .folder || file == .file { path.add(weighed(6, place), at: place) }
            } else if odd || isMixed {
                path.add(weighed(4, place), at: place)
            } else {
                path.add(weighed(1, place), at: place)
            }
        } else if slash.kind == UInt8(ascii: "%") {
            let bytes = tokens.bytes
            let at = Int(slash.start)
            if bytes.holds("%2f", at: at) || bytes.holds("%5c", at: at) || bytes.holds("%25", at: at)
                || bytes.holds("%c0", at: at)
                || bytes.holds("%c1", at: at) || bytes.holds("%u22", at: at) || bytes.holds("%00", at: at)
            {
                path.add(weighed(10, place), at: place)
            }
        } else if slash.kind == MaliciousToken.hex {
            path.add(weighed(8, place), at: place)
        }
    }

    func encodedDot(_ place: Int, _ start: Int) {
        let bytes = tokens.bytes
        if bytes.holds("%2e", at: start + 3) || bytes[start + 3] == 0x2E || bytes[start - 1] == 0x2E {
            path.add(weighed(10, place), at: place)
        }
    }

    /// `0x2e0x2e0x2f`: dots and slashes by their numbers.
    func hexStep(_ place: Int) {
        let start = Int(tokens[place].start)
        if tokens.bytes.holds("0x2e", at: start) || tokens.bytes.holds("0x2f", at: start) || tokens.bytes.holds("0x5c", at: start)
        {
            path.add(weighed(5, place), at: place)
        }
    }

    func slash(_ place: Int, _ kind: UInt8) {
        shellSlash(place, kind)
        let next = place + 1
        let folder = tokens[next]
        guard folder.glued else { return }
        if folder.kind == UInt8(ascii: "."), tokens[next + 1].kind == MaliciousToken.word {
            let name = next + 1
            if tokens.isWord("ssh", name) || tokens.isWord("bash_history", name) || tokens.isWord("htpasswd", name)
                || tokens.isWord("htaccess", name) || tokens.isWord("aws", name) || tokens.isWord("git", name) && isShort
                || tokens.isWord("history", name) || tokens.isWord("env", name) && isShort && place < 4
            {
                path.add(weighed(6, place), at: place)
            }
            return
        }
        guard folder.kind == MaliciousToken.word else { return }
        let role = tokens.roles(next).shell
        guard role == .folder else { return }
        // Of the root, or up to it.
        let before = tokens.kind(place - 1)
        let fromRoot = !tokens[place].glued || before != MaliciousToken.word
        let slash = tokens.kind(next + 1)
        guard slash == UInt8(ascii: "/") || slash == UInt8(ascii: "\\") else { return }
        let file = next + 2
        if tokens.isWord("etc", next) {
            let strong =
                tokens.isWord("passwd", file) || tokens.isWord("shadow", file) || tokens.isWord("sudoers", file)
                || tokens.isWord("gshadow", file)
            if strong {
                path.add(weighed(isShort ? (tokens.count < 12 ? 10 : 8) : 6, place), at: place)
            } else if tokens.roles(file).shell == .file {
                path.add(weighed(isShort && place == 0 ? 6 : 3, place), at: place)
            }
        } else if tokens.isWord("proc", next) {
            if tokens.isWord("self", file) || tokens.roles(file).shell == .file || tokens.isWord("version", file) {
                path.add(weighed(fromRoot ? 7 : 4, place), at: place)
                if tokens.isWord("environ", file + 2) || tokens.isWord("fd", file + 2) || tokens.isWord("cmdline", file + 2) {
                    path.add(weighed(4, place), at: place)
                }
            }
        } else if tokens.isWord("windows", next) || tokens.isWord("winnt", next), kind == UInt8(ascii: "\\") || isShort {
            let ini = tokens.isWord("win", file) || tokens.isWord("system32", file) || tokens.isWord("repair", file)
            path.add(weighed(ini ? 8 : 3, place), at: place)
        }
    }

    /// `php://`, `gopher://`, `expect:`, `jar:http`: streams that read what they should not.
    func wrapper(_ colon: Int) {
        let isAddress = tokens.glued(UInt8(ascii: "/"), colon + 1) && tokens.glued(UInt8(ascii: "/"), colon + 2)
        guard isAddress else { return }
        if tokens.isWord("file", colon - 1) {
            // `file:///etc/…` and `file://c:/`.
            path.add(weighed(isShort && colon < 3 ? 8 : 4, colon), at: colon)
            if tokens.roles(colon + 4).shell == .folder || tokens.roles(colon + 3).shell == .folder {
                path.add(weighed(6, colon), at: colon)
            }
        } else if tokens.isWord("php", colon - 1) || tokens.isWord("expect", colon - 1) || tokens.isWord("phar", colon - 1)
            || tokens.isWord("zip", colon - 1)
            || tokens.isWord("gopher", colon - 1) || tokens.isWord("dict", colon - 1) || tokens.isWord("glob", colon - 1)
            || tokens.isWord("zlib", colon - 1)
            || tokens.isWord("netdoc", colon - 1) || tokens.isWord("local_file", colon - 1)
        {
            path.add(weighed(10, colon), at: colon)
        } else {
            path.add(weighed(4, colon), at: colon)
        }
    }
}
