internal import SwiftletCrypto
internal import SwiftletJSON

/// The conditions that a form to S3 must meet; the store checks them against the signed text.
package struct PostPolicy: Sendable {
    package var bucket: String
    /// Every field of the form but the policy and its signature; each must have exactly this value.
    package var fields: [(name: String, value: String)]
    /// In bytes, both ends included.
    package var size: ClosedRange<Int>
    /// Seconds since 1970.
    package var expiration: Int64

    package init(bucket: String, fields: [(name: String, value: String)], size: ClosedRange<Int>, expiration: Int64) {
        self.bucket = bucket
        self.fields = fields
        self.size = size
        self.expiration = expiration
    }

    /// The text that is signed and sent: JSON in base64.
    package var encoded: String {
        var conditions: [JSON] = [["bucket": .string(bucket)]]
        for field in fields { conditions.append(["eq", .string("$\(field.name)"), .string(field.value)]) }
        conditions.append(["content-length-range", JSON(size.lowerBound), JSON(size.upperBound)])
        let policy: JSON = ["expiration": .string(S3Time.extended(expiration)), "conditions": .array(conditions)]
        return S3Base64.encode(policy.bytes)
    }
}

/// Judges forms as a store does. Times are seconds since 1970.
package struct PostPolicyVerifier: Sendable {
    package enum Fault: Error, Equatable, Sendable {
        /// A field is missing, twice there, or cannot be read.
        case malformed
        /// Another key id, day, region or service.
        case wrongScope
        case mismatch
        case expired
        /// The policy does not speak of this field.
        case uncovered(String)
        /// The form breaks the condition on this name.
        case broken(String)
    }

    package static let maxPolicyBytes = 20_000
    private let signer: SigV4Signer

    package init(_ signer: SigV4Signer) {
        self.signer = signer
    }

    package func verify(
        bucket: String, fields: [(name: String, value: String)], fileBytes: Int, now: Int64
    ) throws(Fault) {
        var values: [String: String] = [:]
        for field in fields {
            guard values.updateValue(field.value, forKey: S3Text.lowercased(field.name)) == nil else { throw .malformed }
        }
        guard let policy = values["policy"], policy.utf8.count <= Self.maxPolicyBytes, let date = values["x-amz-date"],
            S3Time.parseBasic(date) != nil, let signature = values["x-amz-signature"], values["key"] != nil,
            values["x-amz-algorithm"] == SigV4.algorithm
        else { throw .malformed }
        guard values["x-amz-credential"] == signer.credential(date: date), values["x-amz-security-token"] == signer.sessionToken
        else { throw .wrongScope }
        let wanted = signer.sign(Array(policy.utf8), date: date)
        guard ConstantTime.equal(Array(wanted.utf8), Array(signature.utf8)) else { throw .mismatch }
        guard let bytes = S3Base64.decode(policy), let json = try? JSON.parse(bytes), let end = json["expiration"]?.string,
            let end = S3Time.parseExtended(end), let conditions = json["conditions"]?.array
        else { throw .malformed }
        guard now * 1000 < end else { throw .expired }
        values["bucket"] = values["bucket"] ?? bucket
        guard values["bucket"] == bucket else { throw .broken("bucket") }
        var covered: Set<String> = ["policy", "x-amz-signature", "file"]
        for condition in conditions { covered.insert(try check(condition, values, fileBytes)) }
        for name in values.keys where !covered.contains(name) && !name.hasPrefix("x-ignore-") {
            throw .uncovered(name)
        }
    }

    /// - Returns: the field it is about.
    private func check(_ condition: JSON, _ values: [String: String], _ fileBytes: Int) throws(Fault) -> String {
        if let object = condition.object {
            guard object.count == 1, let member = object.first(where: { _ in true }), let wanted = member.value.string else {
                throw .malformed
            }
            let name = S3Text.lowercased(member.name)
            guard values[name]?.utf8.elementsEqual(wanted.utf8) == true else { throw .broken(name) }
            return name
        }
        guard let parts = condition.array, parts.count == 3, let word = parts[0].string else { throw .malformed }
        if S3Text.lowercased(word) == "content-length-range" {
            guard let least = size(parts[1]), let most = size(parts[2]), least <= most else { throw .malformed }
            guard least <= fileBytes, fileBytes <= most else { throw .broken("content-length-range") }
            return "content-length-range"
        }
        guard let field = parts[1].string, field.utf8.first == UInt8(ascii: "$"), let wanted = parts[2].string else {
            throw .malformed
        }
        let name = S3Text.lowercased(field.dropFirst())
        guard let value = values[name] else { throw .broken(name) }
        switch S3Text.lowercased(word) {
        // Bytes, because strings that look the same are equal.
        case "eq": guard value.utf8.elementsEqual(wanted.utf8) else { throw .broken(name) }
        case "starts-with": guard value.utf8.starts(with: wanted.utf8) else { throw .broken(name) }
        default: throw .malformed
        }
        return name
    }

    private func size(_ json: JSON) -> Int? {
        guard let size = json.int ?? json.string.flatMap({ Int($0) }), size >= 0 else { return nil }
        return size
    }
}
