import SwiftletSanitize
import Testing

@Suite struct ValidationTests {
    enum Fault: String { case tooLong = "too_long" }

    @Test func `a value with nothing against it is valid`() {
        #expect(Validation<Fault>().valid)
        #expect(!Validation<Fault>([.tooLong]).valid)
    }
}
