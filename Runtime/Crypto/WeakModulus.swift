/// Finds RSA moduli made by the broken key generator known as ROCA (CVE-2017-15361), whose private key can be computed.
enum WeakModulus {
    private static let primes: [UInt32] = [
        11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157,
    ]

    /// Such primes are all k * M + (65537^a mod M), so modulo each small prime the modulus is a power of 65537. For a
    /// good key that holds for all of these primes by chance about once in 2^28 keys.
    static func isROCA(_ modulus: [UInt8]) -> Bool {
        for prime in primes {
            var rest: UInt32 = 0
            for byte in modulus { rest = (rest &* 256 &+ UInt32(byte)) % prime }
            let generator = 65537 % prime
            var power: UInt32 = 1
            var isPower = false
            for _ in 0..<prime {
                if power == rest {
                    isPower = true
                    break
                }
                power = power &* generator % prime
            }
            if !isPower { return false }
        }
        return true
    }
}
