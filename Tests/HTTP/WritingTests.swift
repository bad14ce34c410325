import Foundation
import SwiftletHTTP
import Testing

@Suite struct `Writing heads` {
    private func write(
        _ status: Int, _ framing: ResponseHeadEncoder.Framing, _ connection: ResponseHeadEncoder.Connection = .implied,
        _ fields: EncodedFields = EncodedFields()
    ) -> String {
        var output = [UInt8](repeating: 0, count: ResponseHeadEncoder.maximumSize(fieldsSize: fields.bytes.count))
        let count = output.withUnsafeMutableBytes { output in
            HTTPDate.line(unixSeconds: 784_111_777).withUnsafeBytes { date in
                fields.bytes.withUnsafeBytes {
                    ResponseHeadEncoder.write(
                        status: status, date: date, framing: framing, connection: connection, fields: $0, into: output
                    )
                }
            }
        }
        return String(decoding: output[..<count], as: UTF8.self)
    }

    @Test func `a head is status, date, framing, connection, fields`() throws {
        var fields = EncodedFields()
        try fields.append("Content-Type", "application/json")
        try fields.append("X-A", "1")
        #expect(
            write(200, .length(1234567890), .close, fields)
                == "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 1234567890\r\nConnection: close\r\n"
                + "Content-Type: application/json\r\nX-A: 1\r\n\r\n"
        )
        #expect(write(404, .chunked).contains("404 Not Found\r\n"))
        #expect(write(404, .chunked).hasSuffix("Transfer-Encoding: chunked\r\n\r\n"))
        #expect(write(546, .none).hasPrefix("HTTP/1.1 546 \r\n"))
        #expect(write(999, .length(0)).hasPrefix("HTTP/1.1 500 "))
        #expect(write(-1, .length(-1)).contains("Content-Length: 0\r\n"))
    }

    @Test func `nothing is written into too little room`() {
        var output = [UInt8](repeating: 7, count: 10)
        let empty = UnsafeRawBufferPointer(start: nil, count: 0)
        let count = output.withUnsafeMutableBytes {
            ResponseHeadEncoder.write(status: 200, date: empty, framing: .none, connection: .implied, fields: empty, into: $0)
        }
        #expect(count == 0)
        #expect(output == [UInt8](repeating: 7, count: 10))
    }

    @Test func `every status line fits the room that is asked for`() {
        for status in 0...1000 { #expect(write(status, .length(.max), .keepAlive).hasSuffix("\r\n\r\n")) }
    }

    @Test(arguments: ["", "a b", "a\r\nb", "a:", "a\0", "é", "a\t", "a\n"])
    func `a bad name is never written`(name: String) {
        var fields = EncodedFields()
        #expect(throws: EncodedFields.Fault.invalidName) { try fields.append(name, "x") }
        #expect(fields.isEmpty)
    }

    @Test(arguments: ["a\r\nSet-Cookie: x", "a\rb", "a\nb", "a\0b", "a\u{7F}", "\u{1B}[31m", "\r\n"])
    func `a bad value is never written`(value: String) {
        var fields = EncodedFields()
        #expect(throws: EncodedFields.Fault.invalidValue) { try fields.append("X", value) }
        #expect(fields.isEmpty)
    }

    @Test(arguments: ["Content-Length", "TRANSFER-ENCODING", "connection", "Keep-Alive", "Date", "Trailer", "Upgrade"])
    func `a field of the server is reserved`(name: String) {
        var fields = EncodedFields()
        #expect(throws: EncodedFields.Fault.reserved) { try fields.append(name, "1") }
    }

    @Test func `fields are bounded, and a fault leaves what was there`() throws {
        var fields = EncodedFields()
        try fields.append("A", "1")
        #expect(throws: EncodedFields.Fault.tooLong) { try fields.append("B", String(repeating: "x", count: 70_000)) }
        #expect(throws: EncodedFields.Fault.invalidValue) { try fields.append("B", "\n") }
        #expect(fields.bytes == Array("A: 1\r\n".utf8))
        let copy = fields
        try fields.append(copy)
        #expect(fields.bytes == Array("A: 1\r\nA: 1\r\n".utf8))
    }

    @Test func `collected fields are checked when they are encoded`() throws {
        var fields = HeaderFields()
        fields.append("X-A", "é")
        #expect(try EncodedFields(fields).bytes == Array("X-A: é\r\n".utf8))
        fields.append("X-B", "1\r\n2")
        #expect(throws: EncodedFields.Fault.invalidValue) { try EncodedFields(fields) }
        #expect(fields.string("x-a") == "é")
    }
}

@Suite struct `Writing dates` {
    @Test func `known dates`() {
        #expect(HTTPDate.text(0) == "Thu, 01 Jan 1970 00:00:00 GMT")
        #expect(HTTPDate.text(784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
        #expect(HTTPDate.text(951_782_400) == "Tue, 29 Feb 2000 00:00:00 GMT")
        #expect(HTTPDate.text(4_107_542_399) == "Sun, 28 Feb 2100 23:59:59 GMT")
        #expect(HTTPDate.text(-5) == "Thu, 01 Jan 1970 00:00:00 GMT")
        #expect(HTTPDate.text(.max) == "Fri, 31 Dec 9999 23:59:59 GMT")
        #expect(HTTPDate.line(unixSeconds: 0).count == HTTPDate.lineLength)
    }

    @Test func `dates agree with the formatter of the system`() {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = TimeZone(identifier: "GMT")
        formatter.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
        var seconds = 0
        while seconds < 253_402_300_799 {
            #expect(HTTPDate.text(Int64(seconds)) == formatter.string(from: Date(timeIntervalSince1970: Double(seconds))))
            seconds += 86_400 * 397 + 12_345
        }
    }
}

@Suite struct `Fields in one block` {
    @Test func `what is added stands behind what was read, and nothing moves`() throws {
        var reader = RequestReader()
        let text = Array("GET /a HTTP/1.1\r\nHost: x\r\nX-One: 1\r\nx-one:\t two \r\n\r\n".utf8)
        guard case .head(let head) = text.withUnsafeBytes({ reader.read($0).outcome }) else {
            Issue.record("no head")
            return
        }
        #expect(Array(head.text) == text)
        var fields = head.fields
        let before = fields
        fields.append("X-Two", "zwei")
        fields.append("", "")
        fields.append("x-one", String(repeating: "3", count: 300))
        #expect(fields.count == 6 && before.count == 3)
        #expect(fields.string("host") == "x" && fields.string("x-two") == "zwei" && before.string("x-two") == nil)
        var ones: [String] = []
        fields.forEachValue(of: "x-one") { ones.append(String(decoding: $0, as: UTF8.self)) }
        #expect(ones == ["1", "two", String(repeating: "3", count: 300)])
        #expect(
            fields.textLength == "Hostx".utf8.count + "X-One1".utf8.count + "x-onetwo".utf8.count + "X-Twozwei".utf8.count + 305)
        #expect(head.withPath { Array($0) } == Array("/a".utf8))
        #expect(Array(fields.text.prefix(text.count)) == text)
    }

    @Test func `lengths that reach beyond the text are left out`() {
        var lengths = [(1, 2), (0, 9), (-1, 1), (1, .max), (2, 0), (0, 1)].makeIterator()
        let fields = Array("abcde".utf8).withUnsafeBytes { HeaderFields(text: $0, count: 6) { lengths.next() ?? (0, 0) } }
        #expect(fields.count == 2)
        var seen: [[String]] = []
        fields.forEach { name, value in
            seen.append([String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self)])
        }
        #expect(seen == [["a", "bc"], ["de", ""]])
    }

    /// The reader keeps the memory of the entries: the next head has its own all the same.
    @Test func `a head stays as it was read while the next one is`() {
        var reader = RequestReader()
        var heads: [RequestHead] = []
        for number in 0..<40 {
            let fields = (0..<number).map { "X-\($0): \(number)\r\n" }.joined()
            let text = Array("GET /\(number) HTTP/1.1\r\nHost: h\(number)\r\n\(fields)\r\n".utf8)
            if case .head(let head) = text.withUnsafeBytes({ reader.read($0).outcome }) { heads.append(head) }
        }
        #expect(heads.count == 40)
        for (number, head) in heads.enumerated() {
            #expect(head.fields.count == number + 1 && head.fields.string("host") == "h\(number)")
            head.fields.forEach { name, value in
                if name.first == UInt8(ascii: "X") { #expect(String(decoding: value, as: UTF8.self) == "\(number)") }
            }
        }
    }
}
