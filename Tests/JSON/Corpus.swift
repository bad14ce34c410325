import Foundation
import TestSupport

/// The rows of shared/corpora/json.
enum Corpus {
    struct Row {
        let id: String
        let expect: String
        let bytes: [UInt8]
    }

    static let file = "json/parsing.jsonl"
    struct Broken: Error { let row: String }

    static func rows() throws -> [Row] {
        try CorpusFiles.rows(file).map { row in
            guard let id = row["id"] as? String, let expect = row["expect"] as? String, let bytes = try CorpusFiles.bytes(row)
            else {
                throw Broken(row: "\(row)")
            }
            return Row(id: id, expect: expect, bytes: bytes)
        }
    }
}
