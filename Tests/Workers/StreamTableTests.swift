import SwiftletWorkers
import Testing

@Suite struct StreamTableTests {
    private final class Box {
        let number: UInt32
        init(_ number: UInt32) { self.number = number }
    }

    /// Numbers go up, some stay for long, many of one beat want the same place: the same answers as a dictionary, step for step.
    @Test(arguments: [1, 64, 65]) func `it holds what a dictionary would hold`(stride: UInt32) {
        var dice = Dice(UInt64(stride))
        var table = StreamTable<Box>()
        var expected: [UInt32: Box] = [:]
        var last: UInt32 = 0
        for step in 0..<30_000 {
            let isGrowing = step / 3000 % 2 == 0
            if Int.random(in: 0..<10, using: &dice) < (isGrowing ? 6 : 4) {
                last += Int.random(in: 0..<4, using: &dice) == 0 ? stride : 1
                let box = Box(last)
                table[last] = box
                expected[last] = box
            } else if let stream = expected.keys.randomElement(using: &dice) {
                table[stream] = nil
                expected[stream] = nil
            }
            let asked = UInt32.random(in: 0...last + 2, using: &dice)
            #expect(table[asked] === expected[asked])
            #expect(table.count == expected.count && table.isEmpty == expected.isEmpty)
            if step % 1000 == 0 {
                #expect(table.values.map(\.number).sorted() == expected.keys.sorted())
                #expect(expected.allSatisfy { table[$0.key] === $0.value })
            }
        }
        for stream in Array(expected.keys) { table[stream] = nil }
        #expect(table.isEmpty && table.values.isEmpty)
    }

    @Test func `what is put in a place again replaces what was there, and what was let go is freed`() {
        var table = StreamTable<Box>()
        weak var first: Box?
        do {
            let box = Box(1)
            first = box
            table[7] = box
        }
        #expect(first != nil)
        table[7] = Box(2)
        #expect(first == nil && table.count == 1 && table[7]?.number == 2)
        table[7 + 64] = Box(3)
        table[7] = nil
        #expect(table[7] == nil && table[7 + 64]?.number == 3)
        weak let third = table[7 + 64]
        table.removeAll()
        #expect(third == nil && table.isEmpty)
    }
}
