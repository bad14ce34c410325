import SwiftletHTTP
import Testing

@Suite struct DateTests {
    private let now: Int64 = 1_800_000_000
    private let date = "Sun, 06 Nov 1994 08:49:37 GMT"
    private let modified: Int64 = 784_111_777

    @Test func `every day of 1,200 years comes back, and the next one follows it`() {
        var before = CivilDay(year: 1599, month: 12, day: 31)
        #expect(before.weekday == 5)
        for days in CivilDay(year: 1600, month: 1, day: 1).daysSince1970..<CivilDay(year: 2800, month: 1, day: 1).daysSince1970 {
            let day = CivilDay(daysSince1970: days)
            guard day.daysSince1970 == days, day.exists, day.weekday == (before.weekday + 1) % 7 else {
                Issue.record("\(day)")
                return
            }
            let isNext = day.year == before.year && day.month == before.month && day.day == before.day + 1
            let isNextMonth = day.year == before.year && day.month == before.month + 1 && day.day == 1
            let isNextYear = day.year == before.year + 1 && day.month == 1 && day.day == 1 && before.month == 12
            guard isNext && before.day < 31 || isNextMonth && before.day >= 28 || isNextYear else {
                Issue.record("\(before) → \(day)")
                return
            }
            before = day
        }
        #expect(before == CivilDay(year: 2799, month: 12, day: 31))
    }

    @Test func `days that no month has do not exist`() {
        for (month, day) in [(2, 30), (4, 31), (1, 0), (1, 32), (13, 1), (0, 1), (6, 31)] {
            #expect(!CivilDay(year: 2024, month: month, day: day).exists, "\(month)-\(day)")
        }
        #expect(CivilDay(year: 2024, month: 2, day: 29).exists)
        #expect(CivilDay(year: 2000, month: 2, day: 29).exists)
        #expect(!CivilDay(year: 2023, month: 2, day: 29).exists)
        #expect(!CivilDay(year: 2100, month: 2, day: 29).exists)
    }

    @Test func `dates are read in their three forms`() {
        for text in [date, "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "Sun Nov 06 08:49:37 1994"] {
            #expect(HTTPDate.parse(text, now: now) == modified, "\(text)")
        }
        #expect(HTTPDate.parse("Thu, 01 Jan 1970 00:00:00 GMT", now: now) == 0)
        #expect(HTTPDate.parse("Thu, 29 Feb 2024 23:59:60 GMT", now: now) == 1_709_251_200)
        #expect(HTTPDate.parse("Friday, 01-Jan-70 00:00:00 GMT", now: now) == 3_155_760_000)
        #expect(HTTPDate.parse("Friday, 01-Jan-99 00:00:00 GMT", now: now) == 915_148_800)
        for text in [
            "", "Sun", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 31 Nov 1994 08:49:37 GMT", "Sun, 29 Feb 2023 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 00 Nov 1994 08:49:37 GMT", "Sun,  06 Nov 1994 08:49:37 GMT",
            "1994-11-06T08:49:37Z",
            "Sun Nov 6 08:49:37 1994 GMT", "Son, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun Nov  16 08:49:37 1994",
            "Sunday, 06-Nov-1994 08:49:37 GMT", String(repeating: " ", count: 1_000), "Sun, ٠٦ Nov 1994 08:49:37 GMT",
        ] { #expect(HTTPDate.parse(text, now: now) == nil, "\(text)") }
    }

    @Test func `a written date is read back`() {
        #expect(HTTPDate.text(modified) == date)
        #expect(HTTPDate.text(0) == "Thu, 01 Jan 1970 00:00:00 GMT")
        #expect(HTTPDate.text(.min) == "Thu, 01 Jan 1970 00:00:00 GMT")
        #expect(HTTPDate.text(.max) == "Fri, 31 Dec 9999 23:59:59 GMT")
        for step in 0..<3_000 {
            let time = Int64(step) * 84_467_440 &+ Int64(step) * 3_601
            #expect(HTTPDate.parse(HTTPDate.text(time), now: now) == min(time, 253_402_300_799))
        }
    }
}
