import Corpus
import Foundation

// `swiftlet-corpus AREA`: rows on standard input (JSON Lines), `{"id":…,"got":…}` a row on standard output. Ends with 64 on wrong usage and
// with 65 on a row that is no JSON object.
guard CommandLine.arguments.count == 2, let area = CorpusArea(rawValue: CommandLine.arguments[1]) else {
    let names = CorpusArea.allCases.map(\.rawValue).joined(separator: " ")
    FileHandle.standardError.write(Data("usage: swiftlet-corpus AREA < rows.jsonl\nareas: \(names)\n".utf8))
    exit(64)
}
while let line = readLine() {
    guard !line.isEmpty else { continue }
    guard let row = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] else {
        FileHandle.standardError.write(Data("swiftlet-corpus: a line is no JSON object\n".utf8))
        exit(65)
    }
    var answer = area.judge(row)
    answer["id"] = row["id"] ?? NSNull()
    let bytes = try JSONSerialization.data(withJSONObject: answer, options: [.sortedKeys, .withoutEscapingSlashes])
    FileHandle.standardOutput.write(bytes + Data("\n".utf8))
}
