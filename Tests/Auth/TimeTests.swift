import SwiftletAuth
import SwiftletCrypto
import Testing

@Suite struct TimeTests {
    @Test func `a token ends with the second it names`() throws {
        var door = try Door()
        let token = try Door.token(payload: #"{"exp":1900000010}"#)
        for (wall, isGood) in [(0.0, true), (9, true), (9.999, true), (10, false), (10.001, false), (11, false)] {
            door.wall = Door.start + wall
            #expect((door.bearer(token).token != nil) == isGood, "\(wall)")
            let fresh = try Door()
            var other = fresh
            other.wall = door.wall
            #expect((other.bearer(token).token != nil) == isGood, "\(wall), not kept before")
        }
    }

    @Test func `nbf is the first moment at which a token counts`() throws {
        let token = try Door.token(payload: #"{"exp":1900003600,"nbf":1900000010}"#)
        for (wall, isGood) in [(9.0, false), (9.999, false), (10, true), (11, true)] {
            var door = try Door()
            door.wall = Door.start + wall
            #expect((door.bearer(token).token != nil) == isGood)
        }
    }

    @Test func `the leeway moves both edges by whole seconds`() throws {
        let configuration = try AuthConfiguration(hs256Secrets: [Door.secret], leewaySeconds: 30)
        for (exp, isGood) in [(-29, true), (-30, false), (-31, false)] {
            let token = try Door.token(payload: #"{"exp":\#(1_900_000_000 + exp)}"#)
            #expect((try Door(configuration).bearer(token).token != nil) == isGood)
        }
        for (nbf, isGood) in [(30, true), (31, false)] {
            let token = try Door.token(payload: #"{"exp":1900003600,"nbf":\#(1_900_000_000 + nbf)}"#)
            #expect((try Door(configuration).bearer(token).token != nil) == isGood)
        }
    }

    @Test(arguments: [
        "1900000010.5", "2.0e9", "1.9000001E9", "1e300", "19000000100e-1",
    ])
    func `times may have fractions and exponents`(exp: String) throws {
        #expect(try Door().bearer(Door.token(payload: #"{"exp":\#(exp)}"#)).token != nil)
    }

    @Test(arguments: [
        "0", "-0", "-1", "-1900000010", "1e400", "-1e400", "1e-400", #""1900000010""#, "null", "true", "[1900000010]", "{}",
        "NaN", "Infinity", "1900000010x", "01900000010", "1899999999.999999",
    ])
    func `a time that is no number or in the past refuses the token`(exp: String) throws {
        let refusal = try Door().bearer(Door.token(payload: #"{"exp":\#(exp)}"#)).refusal
        #expect(refusal != nil)
        #expect(refusal?.code == .legacy || refusal?.code == .invalidFormat)
    }

    @Test func `a token without exp is refused`() throws {
        let refusal = try Door().bearer(Door.token(payload: #"{"sub":"u"}"#)).refusal
        #expect(refusal?.reason == .noExpiry)
    }

    @Test func `an odd clock reading refuses rather than accepts`() throws {
        let token = try Door.token()
        var door = try Door()
        door.wall = .nan
        #expect(door.bearer(token).token == nil)
        door.wall = .infinity
        #expect(door.bearer(token).token == nil)
    }
}
