/// What one number keeps of a day's quota: the day, what was used in it, and for how many further days that is too much.
///
/// The number of the day is in it, not a moment: two clocks that are read one after the other never agree to the nanosecond.
struct DayBucket: Equatable {
    private static let usedBits: UInt64 = 36
    private static let lateBits: UInt64 = 8
    private static let mostUsed: UInt64 = 1 << usedBits - 1

    /// Days since 1970.
    let day: UInt64
    /// Days that what was used lasts beyond its own: a table must not take a debtor for somebody who owes nothing.
    let late: UInt64
    let used: UInt64

    init(day: UInt64, used: UInt64, limit: Int) {
        self.day = min(day, 1 << 20 - 1)
        self.used = min(used, DayBucket.mostUsed)
        late = used == 0 ? 0 : min((self.used - 1) / UInt64(limit), 1 << DayBucket.lateBits - 1)
    }

    init(_ word: UInt64) {
        day = word >> (DayBucket.usedBits + DayBucket.lateBits)
        late = word >> DayBucket.usedBits & (1 << DayBucket.lateBits - 1)
        used = word & DayBucket.mostUsed
    }

    var word: UInt64 { used == 0 ? 0 : day << (DayBucket.usedBits + DayBucket.lateBits) | late << DayBucket.usedBits | used }

    /// What counts as used today. A clock that was set back over a midnight finds the bucket as it was; a bucket of a later day than
    /// tomorrow was written by a clock that was wrong, and counts for nothing.
    func used(on today: UInt64, limit: Int) -> UInt64 {
        guard day <= today else { return day == today + 1 ? used : 0 }
        let (back, isAll) = UInt64(limit).multipliedReportingOverflow(by: today - day)
        return isAll || back >= used ? 0 : used - back
    }

    static func take(_ amount: Int, from word: UInt64, _ limit: DayLimit, _ time: QuotaTime) -> (
        state: QuotaState, bucket: UInt64?
    ) {
        let used = DayBucket(word).used(on: time.day, limit: limit.units)
        let most = UInt64(limit.units)
        guard amount > 0 else { return (state(used, limit, time, refused: used > most), nil) }
        guard amount <= limit.units else {
            return (
                QuotaState(
                    limit: limit.units, remaining: remaining(used, limit), resetAfter: time.untilMidnight, refused: true), nil
            )
        }
        let sum = used + UInt64(amount)
        guard sum <= most else {
            let midnights = (sum - 1) / most
            return (
                QuotaState(
                    limit: limit.units, remaining: remaining(used, limit), resetAfter: time.until(midnights: midnights),
                    refused: true), nil
            )
        }
        return (state(sum, limit, time), DayBucket(day: day(of: word, time), used: sum, limit: limit.units).word)
    }

    static func settle(_ change: Int, in word: UInt64, _ limit: DayLimit, _ time: QuotaTime) -> (
        state: QuotaState, bucket: UInt64?
    ) {
        let used = DayBucket(word).used(on: time.day, limit: limit.units)
        guard change != 0 else { return (state(used, limit, time), nil) }
        let amount = UInt64(change.magnitude)
        let next = change < 0 ? used - min(used, amount) : min(used + min(amount, mostUsed), mostUsed)
        return (state(next, limit, time), DayBucket(day: day(of: word, time), used: next, limit: limit.units).word)
    }

    /// The day that is written: never one before that of what counted, or its own midnight would give all of it back a second time. Two
    /// threads that read the clock around a midnight come in any order.
    private static func day(of word: UInt64, _ time: QuotaTime) -> UInt64 {
        let kept = DayBucket(word)
        return kept.used > 0 && kept.day == time.day + 1 ? kept.day : time.day
    }

    private static func remaining(_ used: UInt64, _ limit: DayLimit) -> Int {
        Int(UInt64(limit.units) - min(used, UInt64(limit.units)))
    }

    /// - Parameter refused: then the wait is until nothing is owed, else until all is back.
    private static func state(_ used: UInt64, _ limit: DayLimit, _ time: QuotaTime, refused: Bool = false) -> QuotaState {
        let most = UInt64(limit.units)
        let midnights = used == 0 ? 0 : refused ? (used - 1) / most : (used - 1) / most + 1
        return QuotaState(
            limit: limit.units, remaining: remaining(used, limit), resetAfter: time.until(midnights: midnights), refused: refused)
    }
}
