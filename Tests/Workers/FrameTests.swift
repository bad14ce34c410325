import HTTPTypes
import NIOCore
import Swiftlet
import SwiftletHTTP
import SwiftletNet
import SwiftletWorkers
import Testing

/// Numbers that look random and are the same each time.
struct Dice: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }
    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }
}

@Suite struct FrameTests {
    /// Every frame of a stream, or what was wrong with it.
    static func read(_ bytes: [UInt8], pieces: (inout Dice) -> Int = { _ in .max }, fromWorker: Bool = true) -> (
        [String], FrameProblem?
    ) {
        var reader = FrameReader(fromWorker: fromWorker)
        var dice = Dice(1)
        var seen: [String] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = rest.prefix(max(1, min(pieces(&dice), rest.count)))
            rest = rest.dropFirst(piece.count)
            reader.feed(ByteBuffer(bytes: piece))
            do throws(FrameProblem) {
                while let frame = try reader.next() {
                    seen.append("\(frame.kind) \(frame.flags) \(frame.stream) \(Array(frame.payload.readableBytesView))")
                }
            } catch { return (seen, error) }
        }
        return (seen, nil)
    }

    static func head(_ length: UInt32, kind: UInt8, flags: UInt8 = 0, reserved: UInt16 = 0, stream: UInt32 = 1) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.writeInteger(length, endianness: .little)
        buffer.writeInteger(kind)
        buffer.writeInteger(flags)
        buffer.writeInteger(reserved)
        buffer.writeInteger(stream, endianness: .little)
        return Array(buffer.readableBytesView)
    }

    @Test func `a stream gives the same frames however it is cut`() {
        var buffer = ByteBuffer()
        for number in 0..<200 {
            buffer.writeFrame(.part, stream: UInt32(number), flags: UInt8(number % 2)) {
                $0.writeRepeatingByte(UInt8(truncatingIfNeeded: number), count: number * 7 % 300)
            }
        }
        let bytes = Array(buffer.readableBytesView)
        let whole = FrameTests.read(bytes)
        #expect(whole.0.count == 200 && whole.1 == nil)
        for size in [1, 2, 11, 12, 13, 64] { #expect(FrameTests.read(bytes, pieces: { _ in size }).0 == whole.0) }
        #expect(FrameTests.read(bytes, pieces: { Int.random(in: 1...500, using: &$0) }).0 == whole.0)
    }

    @Test func `a payload of the longest length is read, one byte more is refused by its head alone`() {
        let most = UInt32(Frame.maximumPayload)
        #expect(FrameTests.read(FrameTests.head(most - 1, kind: 35) + [UInt8](repeating: 0, count: Int(most) - 1)).1 == nil)
        let longest = FrameTests.read(FrameTests.head(most, kind: 35) + [UInt8](repeating: 0, count: Int(most)))
        #expect(longest.0.count == 1 && longest.1 == nil)
        #expect(FrameTests.read(FrameTests.head(most + 1, kind: 35)).1 == .tooLong)
        #expect(FrameTests.read(FrameTests.head(.max, kind: 35)).1 == .tooLong)
    }

    @Test func `unknown kinds, the other direction and reserved bytes are refused`() {
        #expect(FrameTests.read(FrameTests.head(0, kind: 0)).1 == .unknownKind)
        #expect(FrameTests.read(FrameTests.head(0, kind: 255)).1 == .unknownKind)
        for kind in FrameKind.allCases {
            let bytes = FrameTests.head(0, kind: kind.rawValue)
            #expect(FrameTests.read(bytes, fromWorker: kind.isFromWorker).1 == nil)
            #expect(FrameTests.read(bytes, fromWorker: !kind.isFromWorker).1 == .wrongDirection)
        }
        #expect(FrameTests.read(FrameTests.head(0, kind: 36, reserved: 1)).1 == .reserved)
    }

    @Test func `a large body becomes parts of at most a window, the last one marked`() {
        let body = ByteBuffer(repeating: 7, count: Frame.window * 2 + 5)
        var buffer = ByteBuffer()
        buffer.writeBody(.body, stream: 9, body, isLast: true)
        var reader = FrameReader(fromWorker: false)
        reader.feed(buffer)
        var sizes: [Int] = []
        var flags: [UInt8] = []
        while let frame = try? reader.next() {
            sizes.append(frame.payload.readableBytes)
            flags.append(frame.flags)
        }
        #expect(sizes == [Frame.window, Frame.window, 5])
        #expect(flags == [0, 0, Frame.isLast])
    }

    @Test func `what is missing of a frame is its head first, then its payload`() {
        var reader = FrameReader(fromWorker: true)
        #expect(reader.missing == Frame.headLength)
        let bytes = FrameTests.head(10, kind: 35) + [1, 2, 3]
        reader.feed(ByteBuffer(bytes: bytes[..<5]))
        #expect(reader.missing == 7)
        reader.feed(ByteBuffer(bytes: bytes[5...]))
        #expect(reader.missing == 7)
    }
}

@Suite struct MessageTests {
    private func bytes(_ write: (inout ByteBuffer) -> Void) -> ByteBuffer {
        var buffer = ByteBuffer()
        write(&buffer)
        return buffer
    }

    /// A valid payload is refused when it ends early, and no changed byte does more than give another message or a problem.
    private func abuse(
        _ payload: ByteBuffer, allowsTail: Bool = false, location: SourceLocation = #_sourceLocation,
        _ read: (ByteBuffer) throws -> Void
    ) {
        #expect(throws: Never.self, sourceLocation: location) { try read(payload) }
        let all = Array(payload.readableBytesView)
        for length in 0..<all.count where !allowsTail {
            #expect(throws: FrameProblem.self, "cut to \(length)", sourceLocation: location) {
                try read(ByteBuffer(bytes: all[..<length]))
            }
        }
        for place in all.indices {
            for value in [0, 1, 0x7F, 0x80, 0xFF, all[place] ^ 1] as [UInt8] {
                var changed = all
                changed[place] = value
                do { try read(ByteBuffer(bytes: changed)) } catch {
                    #expect(error is FrameProblem, "\(error)", sourceLocation: location)
                }
            }
        }
    }

    private func head(
        _ id: RequestID = RequestID(high: 1, low: 2), address: IPAddress? = IPAddress(v4: 0x7F00_0001),
        fields: [(String, String)] = [("a", "b")],
        query: String? = "q=%20"
    ) -> FunctionRequestHead {
        var storage: [UInt8] = []
        for (name, value) in fields { storage += Array(name.utf8) + Array(value.utf8) }
        var lengths = fields.map { ($0.0.utf8.count, $0.1.utf8.count) }.makeIterator()
        return FunctionRequestHead(
            requestID: id, executionID: "x", method: .patch, functionName: "f", path: "/f/ä%2F", query: query,
            fields: storage.withUnsafeBytes { HeaderFields(text: $0, count: fields.count) { lengths.next() ?? (0, 0) } },
            client: Client(address: address, isSecure: true, host: "a.example"))
    }

    private func roundTrip(_ invocation: Invocation) throws -> RequestFrame {
        var buffer = ByteBuffer()
        #expect(RequestFrame.write(invocation, to: &buffer, stream: 3))
        var reader = FrameReader(fromWorker: false)
        reader.feed(buffer)
        let frame = try #require(try reader.next())
        #expect(frame.kind == .request && frame.stream == 3)
        return try RequestFrame(frame.payload, function: "f", executionID: "x")
    }

    @Test(arguments: [nil, IPAddress(v4: 0xC633_6401), IPAddress(v6High: 0x2001_0DB8_0000_0000, low: 7)])
    func `a request arrives as it was sent`(address: IPAddress?) throws {
        let fields = [("Host", "a"), ("x-odd", ""), ("x-odd", "zwei ü"), ("X-ODD", String(repeating: "v", count: 8000))]
        let user = User(
            subject: "u1", role: "authenticated", claimsText: Array(#"{"exp":1e3,"n":12345678901234567890,"s":"\u0000"}"#.utf8))
        let sent = head(RequestID(text: "given-id_1"), address: address, fields: fields, query: nil)
        let got = try roundTrip(Invocation(head: sent, identity: .user(user), body: .whole(Bytes([1, 0, 255])), deadline: .max))
        #expect(
            got.head.requestID.text == "given-id_1" && got.head.method == .patch && got.head.path == "/f/ä%2F"
                && got.head.query == nil)
        #expect(got.head.client.address == address && got.head.client.isSecure && got.head.client.host == "a.example")
        #expect(Request(head: got.head, body: 0).headers == Request(head: sent, body: 0).headers)
        #expect(got.head.fields.count == fields.count)
        #expect(got.deadline == .max)
        guard case .user(let again) = got.identity, case .inline(let body) = got.body else {
            Issue.record("another identity or body")
            return
        }
        #expect(
            again.subject == "u1" && again.role == "authenticated" && again.claimsText == user.claimsText
                && again.credential == .token)
        #expect(Array(body.readableBytesView) == [1, 0, 255])
    }

    @Test func `callers without a name, keys and anonymous ones stay what they are`() throws {
        for credential in [User.Credential.publishableKey(name: "web"), .secretKey(name: "cron")] {
            let user = User(subject: nil, role: "anon", claimsText: Array("{}".utf8), credential: credential)
            let got = try roundTrip(Invocation(head: head(), identity: .user(user), body: .whole(Bytes()), deadline: 0))
            guard case .user(let again) = got.identity else {
                Issue.record("anonymous")
                return
            }
            #expect(again.credential == credential && again.subject == nil)
        }
        let got = try roundTrip(Invocation(head: head(), identity: .anonymous, body: .whole(Bytes()), deadline: 0))
        guard case .anonymous = got.identity else {
            Issue.record("somebody")
            return
        }
        #expect(got.head.requestID.text == RequestID(high: 1, low: 2).text)
    }

    @Test func `a body up to the limit travels with its head, a larger one after it`() throws {
        for (count, isInline) in [(Frame.inlineBody - 1, true), (Frame.inlineBody, true), (Frame.inlineBody + 1, false)] {
            let bytes = Bytes([UInt8](repeating: 1, count: count))
            switch try roundTrip(Invocation(head: head(), identity: .anonymous, body: .whole(bytes), deadline: 0)).body {
            case .inline(let body): #expect(isInline && body.readableBytes == count)
            case .following(let length): #expect(!isInline && length == count)
            case .stream: Issue.record("a stream")
            }
        }
    }

    @Test func `a head that fits no frame is not written at all`() {
        var buffer = ByteBuffer(bytes: [1, 2, 3])
        let large = head(fields: [("a", String(repeating: "x", count: Frame.maximumPayload))])
        #expect(
            !RequestFrame.write(
                Invocation(head: large, identity: .anonymous, body: .whole(Bytes()), deadline: 0), to: &buffer, stream: 1))
        #expect(Array(buffer.readableBytesView) == [1, 2, 3])
    }

    @Test func `no cut and no changed byte of any message does harm`() throws {
        var request = ByteBuffer()
        let user = User(subject: "u", role: "r", claimsText: Array("{}".utf8), credential: .secretKey(name: "k"))
        let body = Bytes([UInt8](repeating: 1, count: Frame.inlineBody + 1))
        _ = RequestFrame.write(
            Invocation(head: head(), identity: .user(user), body: .whole(body), deadline: 5), to: &request, stream: 1)
        request.moveReaderIndex(forwardBy: Frame.headLength)
        abuse(request) { _ = try RequestFrame($0, function: "f", executionID: "x") }

        let error = HTTPError(
            429, "SLOW_DOWN", "later", cause: "why", fields: [.init("retry-after", "1")],
            problems: [.init(field: "f", message: "m")])
        abuse(bytes { ResponseFrame.writeFailure(error, to: &$0) }) { _ = try ResponseFrame.readFailure($0) }
        let response = Response(status: 201, headers: [.contentType: "text/plain", .setCookie: "a=b"], body: .empty)
        abuse(bytes { ResponseFrame.writeHead(response, to: &$0) }) {
            var payload = $0
            _ = try ResponseFrame.readHead(&payload)
        }
        abuse(bytes { Call.checkRateLimit(key: "k", limit: 5, nanoseconds: 9).write(to: &$0) }) { _ = try Call($0) }
        abuse(bytes { Call.hostReport(ready: true).write(to: &$0) }) { _ = try Call($0) }
        let quotas = [Quota(key: "k", limit: 5, window: .day), Quota(key: "l", limit: 6, window: .rolling(.seconds(7)))]
        for call in [Call.reserve(3, quotas: quotas), .settle(quotas: quotas, reserved: 3, used: 4)] {
            abuse(bytes { call.write(to: &$0) }) { _ = try Call($0) }
            #expect(try Call(bytes { call.write(to: &$0) }) == call)
        }
        let report = HostReport(
            accepting: true, uptimeSeconds: 3, checks: [.init(name: "n", passed: false, note: "o", observed: 4)])
        for result in [
            CallResult.done, .report(report), .refused(error),
            .rateLimit(.init(allowed: true, limit: 1, remaining: 0, resetAt: 5)),
            .quotas(
                QuotaAnswer(
                    allowed: true, states: [.init(limit: 9, remaining: 8, resetAfter: .milliseconds(1500), refused: false)])),
        ] {
            abuse(bytes { result.write(to: &$0) }) { _ = try CallResult($0) }
        }
        abuse(bytes { LogFrame(level: 2, message: "m", metadata: [("a", "b")]).write(to: &$0) }) { _ = try LogFrame($0) }
        let label = CounterKey.Label(name: "model", value: "m")
        let counts = CountFrame(
            [CounterKey("tokens", labels: [label, label]), CounterKey("calls", labels: [])].compactMap { $0 }.map { .init($0, 7) }
        )
        abuse(bytes { counts.write(to: &$0) }) { _ = try CountFrame($0) }
        #expect(try CountFrame(bytes { counts.write(to: &$0) }) == counts && counts.counts.count == 2)
        abuse(bytes { ReadyFrame(active: ["a"], missing: ["b: why"]).write(to: &$0) }) { _ = try ReadyFrame($0) }
        var boot = BootFrame(function: "f", executionID: "x", parent: 7)
        boot.secrets = [("A", [1, 2])]
        boot.settings = [("B", "c")]
        boot.user = (65534, 65534)
        abuse(bytes { boot.write(to: &$0) }) { _ = try BootFrame($0) }
    }

    @Test func `an answer keeps its status, its fields and its order`() throws {
        var fields = HTTPFields()
        fields.append(HTTPField(name: .setCookie, value: "a=1"))
        fields.append(HTTPField(name: .setCookie, value: "b=2"))
        var payload = bytes { ResponseFrame.writeHead(Response(status: 418, headers: fields), to: &$0) }
        let got = try ResponseFrame.readHead(&payload)
        #expect(got.status == 418 && got.headers[values: .setCookie] == ["a=1", "b=2"] && payload.readableBytes == 0)
        for media in ["application/json", "text/plain; charset=utf-8", "text/event-stream"] as [StaticString] {
            var payload = bytes { ResponseFrame.writeHead(Response(status: 200, mediaType: media, body: .empty), to: &$0) }
            #expect(try ResponseFrame.readHead(&payload).mediaType.map { "\($0)" } == "\(media)")
        }
    }

    @Test func `a field that would start another one is refused`() {
        for value in ["a\r\nb: c", "a\nb", "a\0"] {
            var payload = bytes {
                $0.writeInteger(UInt16(200), endianness: .little)
                $0.writeInteger(UInt8(0))
                $0.writeInteger(UInt16(1), endianness: .little)
                for text in ["x-a", value] {
                    $0.writeInteger(UInt32(text.utf8.count), endianness: .little)
                    $0.writeString(text)
                }
            }
            #expect(throws: FrameProblem.malformed) { try ResponseFrame.readHead(&payload) }
        }
    }

    @Test func `an error of any length fits its frame`() throws {
        let long = String(repeating: "ä€😀", count: 100_000)
        let error = HTTPError(
            500, ErrorCode(long), long, cause: long, fields: (0..<500).map { _ in .init(long, long) },
            problems: (0..<500).map { _ in .init(field: long, message: long) })
        let payload = bytes { ResponseFrame.writeFailure(error, to: &$0) }
        #expect(payload.readableBytes <= Frame.maximumPayload)
        let got = try ResponseFrame.readFailure(payload)
        #expect(long.hasPrefix(got.message) && got.message.utf8.count > 8000)
    }

    @Test func `a key of the longest length is counted, a longer one is refused`() throws {
        for (count, isFine) in [(Call.longestKey, true), (Call.longestKey + 1, false)] {
            let payload = bytes {
                Call.checkRateLimit(key: String(repeating: "k", count: count), limit: 1, nanoseconds: 1).write(to: &$0)
            }
            #expect(((try? Call(payload)) != nil) == isFine)
        }
    }

    @Test func `as many quotas as may be asked for at once are read, one more is refused, and so is a longer key`() {
        func isRead(_ count: Int, key: Int) -> Bool {
            let quotas = (0..<count).map { _ in Quota(key: String(repeating: "k", count: key), limit: 1, window: .day) }
            return (try? Call(bytes { Call.reserve(1, quotas: quotas).write(to: &$0) })) != nil
        }
        #expect(isRead(Quota.most, key: Quota.longestKey) && isRead(0, key: 0))
        #expect(!isRead(Quota.most + 1, key: 1) && !isRead(1, key: Quota.longestKey + 1))
    }

    @Test func `what cannot be counted is refused`() {
        func isRead(_ count: Int, name: String, labels: [(String, String)], amount: Int) -> Bool {
            let payload = bytes {
                $0.writeInteger(UInt16(count), endianness: .little)
                for _ in 0..<count {
                    $0.writeInteger(UInt32(name.utf8.count), endianness: .little)
                    $0.writeString(name)
                    $0.writeInteger(UInt8(labels.count))
                    for text in labels.flatMap({ [$0.0, $0.1] }) {
                        $0.writeInteger(UInt32(text.utf8.count), endianness: .little)
                        $0.writeString(text)
                    }
                    $0.writeInteger(Int64(amount), endianness: .little)
                }
            }
            return (try? CountFrame(payload)) != nil
        }
        let label = ("a", "1")
        #expect(isRead(CountFrame.most, name: "n", labels: Array(repeating: label, count: 4), amount: 1 << 40))
        #expect(!isRead(CountFrame.most + 1, name: "n", labels: [], amount: 1))
        #expect(!isRead(1, name: "n", labels: Array(repeating: label, count: 5), amount: 1))
        #expect(!isRead(1, name: "N", labels: [], amount: 1) && !isRead(1, name: "n", labels: [("function", "x")], amount: 1))
        #expect(!isRead(1, name: "n", labels: [("a", "\n")], amount: 1))
        #expect(!isRead(1, name: "n", labels: [], amount: -1) && !isRead(1, name: "n", labels: [], amount: 1 << 40 + 1))
    }

    @Test func `text that is not UTF-8 is refused`() {
        let payload = ByteBuffer(bytes: [2, 2, 0, 0, 0, 0xC3, 0x28, 0, 0])
        #expect(throws: FrameProblem.malformed) { try LogFrame(payload) }
    }

    @Test func `another version of the hop is not spoken`() {
        var payload = bytes { ReadyFrame(active: [], missing: []).write(to: &$0) }
        payload.setInteger(Frame.version + 1, at: 0, endianness: .little)
        #expect(throws: FrameProblem.version) { try ReadyFrame(payload) }
    }
}

@Suite struct CrashHistoryTests {
    private static let second: UInt64 = 1_000_000_000

    @Test func `the first start is at once, then ever later, up to five seconds`() {
        var history = CrashHistory()
        let delays = (0..<14).map { _ in history.crashed(upFor: 0) / 1_000_000 }
        #expect(delays == [0, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5000, 5000, 5000, 5000])
    }

    @Test func `from the sixth crash in a row it is a loop, until one has held for long`() {
        var history = CrashHistory()
        for count in 1...5 {
            _ = history.crashed(upFor: CrashHistory.quiet - 1)
            #expect(!history.isLoop, "after \(count)")
        }
        _ = history.crashed(upFor: 0)
        #expect(history.isLoop && history.retryAfter == 1)
        #expect(history.crashed(upFor: CrashHistory.quiet) == 0)
        #expect(!history.isLoop)
    }

    @Test func `kills from outside make no loop, but starting slows down where no worker gets ready`() {
        var history = CrashHistory()
        #expect((0..<3).map { _ in history.killed(beforeReady: false) / 1_000_000 } == [10, 10, 10])
        let delays = (0..<12).map { _ in history.killed(beforeReady: true) / 1_000_000 }
        #expect(delays == [20, 40, 80, 160, 320, 640, 1280, 2560, 5000, 5000, 5000, 5000])
        history.gotReady()
        #expect(history.killed(beforeReady: true) == 20_000_000)
        #expect(history.failures == 0 && !history.isLoop)
    }

    @Test func `processor time on the loop is one request's, other time is everyone's`() {
        var charge = ProcessorCharge()
        #expect(charge.sample(processor: 10, running: 0, inFlight: 4).each == 0)
        let shared = charge.sample(processor: 110, running: 0, inFlight: 4)
        #expect(shared.alone == nil && shared.each == 25)
        // It came onto the loop within the span: not known to be all its own.
        #expect(charge.sample(processor: 210, running: 7, inFlight: 4).each == 25)
        let alone = charge.sample(processor: 310, running: 7, inFlight: 4)
        #expect(alone.alone?.stream == 7 && alone.alone?.nanoseconds == 100 && alone.each == 0)
        #expect(charge.sample(processor: 410, running: 0, inFlight: 0).each == 0)
    }
}
