import Swiftlet
import Testing

@Suite struct ISOTimeTests {
    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (-5, "1970-01-01T00:00:00.000Z"), (1_767_323_045_678, "2026-01-02T03:04:05.678Z"),
            (951_782_400_007, "2000-02-29T00:00:00.007Z"), (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"), (253_402_300_800_000, "10000-01-01T00:00:00.000Z"),
        ] as [(Int64, String)])
    func `a time is written with all its digits`(milliseconds: Int64, text: String) {
        #expect(ISOTime.text(milliseconds) == text)
    }

    @Test func `no time is too far to be written`() { #expect(ISOTime.text(.max).hasSuffix("Z")) }
}
