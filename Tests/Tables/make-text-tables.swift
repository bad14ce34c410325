// Writes Runtime/Sanitize/Text/TextTables.swift from what the standard library knows about Unicode:
//
//   swift Tests/Tables/make-text-tables.swift > Runtime/Sanitize/Text/TextTables.swift
//
// Run it after a move to a toolchain with a newer Unicode. Three small sets that the standard library does not tell are
// written down here.
@_spi(_Unicode) import Swift

let end: UInt32 = 0x30000

func scalars(_ range: ClosedRange<UInt32>) -> [Unicode.Scalar] { range.compactMap(Unicode.Scalar.init) }
func nfd(_ text: String) -> [UInt32] { text._nfd.map(\.value) }
func nfc(_ values: [UInt32]) -> [UInt32] {
    String(String.UnicodeScalarView(values.compactMap(Unicode.Scalar.init)))._nfc.map(\.value)
}

// Letters and signs of the scripts in which a joiner or non-joiner changes what a reader sees.
let joining: [ClosedRange<UInt32>] = [
    0x0620...0x0669, 0x066E...0x06DC, 0x06DF...0x06FF, 0x0710...0x074F, 0x0750...0x077F, 0x07CA...0x07F5,
    0x0840...0x085B, 0x0860...0x086A, 0x0870...0x088E, 0x0898...0x08E1, 0x08E3...0x08FF,
    0x0900...0x0DFF, 0x0F00...0x0FFF, 0x1000...0x109F, 0x1780...0x17D3, 0x1820...0x18AA, 0x1900...0x194F,
    0x1A00...0x1AAD, 0x1B00...0x1BFF, 0x1C00...0x1C4F, 0xA800...0xA82C, 0xA840...0xA871, 0xA880...0xA8C5,
    0xA8E0...0xA8FF, 0xA930...0xA953, 0xA960...0xA97C, 0xA980...0xA9C0, 0xA9E0...0xA9FE, 0xAA00...0xAA4D,
    0xAA60...0xAA7F, 0xAAE0...0xAAF6, 0xABC0...0xABED, 0xFB50...0xFDFB, 0xFE70...0xFEFC,
    0x10AC0...0x10AE6, 0x10B80...0x10B91, 0x10D00...0x10D27, 0x10F30...0x10F54, 0x11000...0x11046,
    0x11070...0x11075, 0x1107F...0x110BA, 0x11100...0x11134, 0x11150...0x11176, 0x11180...0x111CC,
    0x11200...0x11241, 0x11280...0x112EA, 0x11300...0x11374, 0x11380...0x113E2, 0x11400...0x1145F,
    0x11480...0x114C5, 0x11580...0x115DD, 0x11600...0x11644, 0x11680...0x116B8, 0x11700...0x1172B,
    0x11800...0x1183A, 0x11900...0x11943, 0x119A0...0x119E4, 0x11A00...0x11A47, 0x11A50...0x11A99,
    0x11C00...0x11C40, 0x11C72...0x11CB6, 0x11D00...0x11D47, 0x11D60...0x11D97, 0x11EE0...0x11EF6,
    0x11F00...0x11F42, 0x1E900...0x1E94B,
]

// Looked at one by one by the filter: it drops them, or keeps them where their neighbours say so.
func isSpecial(_ value: UInt32) -> Bool {
    switch value {
    case 0x80...0x9F, 0x034F, 0x061C, 0x180E, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFE00...0xFE0F, 0xFEFF,
        0xFFF0...0xFFFB, 0xFDD0...0xFDEF, 0x1BCA0...0x1BCA3, 0x1D173...0x1D17A:
        true
    default: value & 0xFFFE == 0xFFFE
    }
}

// Emoji of more than one code point may hold these after a joiner.
func isPictographic(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.value < 0xA9 { return false }
    let properties = scalar.properties
    if (0x1F1E6...0x1F1FF).contains(scalar.value) { return false }
    return properties.isEmoji || properties.isEmojiModifier || (0x1FA70...0x1FAFF).contains(scalar.value)
}

var second: Set<UInt32> = []
var pairs: [[UInt32]] = []
var fixed: [[UInt32]] = []
for scalar in scalars(0...(end - 1)) where !(0xAC00...0xD7A3).contains(scalar.value) {
    let parts = nfd(String(scalar))
    second.formUnion(parts.dropFirst())
    guard parts != [scalar.value] else { continue }
    let head = nfc(parts.dropLast())
    if parts.count > 1, head.count == 1, nfc(parts) == [scalar.value], let last = parts.last {
        pairs.append([scalar.value, head[0], last])
    } else {
        fixed.append([scalar.value] + parts)
    }
}
second.formUnion(0x1161...0x1175)
second.formUnion(0x11A8...0x11C2)

func flags(_ value: UInt32) -> UInt8 {
    guard let scalar = Unicode.Scalar(value) else { return 0 }
    var out: UInt8 = 0
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark:
        out |= 3
        if scalar.properties.canonicalCombiningClass.rawValue == 9 { out |= 32 }
        if joining.contains(where: { $0.contains(value) }) { out |= 4 }
    case .otherLetter, .modifierLetter:
        if joining.contains(where: { $0.contains(value) }) { out |= 4 }
    default: break
    }
    if second.contains(value) || nfc([value]) != [value] { out |= 2 }
    if isPictographic(scalar) { out |= 8 }
    if isSpecial(value) { out |= 16 }
    return out
}

var classes: [UInt8] = []  // the combining classes that occur
for scalar in scalars(0...(end - 1)) {
    let value = scalar.properties.canonicalCombiningClass.rawValue
    if !classes.contains(value) { classes.append(value) }
}
classes.sort()
precondition(classes.count <= 60)

func table(_ letter: (UInt32) -> UInt8) -> (index: String, blocks: String) {
    var seen: [[UInt8]: Int] = [:]
    var blocks: [UInt8] = []
    var index: [UInt8] = []
    for block in 0..<(end / 64) {
        let row = (0..<64).map { letter(block * 64 + $0) + 0x40 }
        let number = seen[row] ?? seen.count
        if seen[row] == nil {
            seen[row] = number
            blocks += row
        }
        index += [UInt8(number / 60) + 0x40, UInt8(number % 60) + 0x40]
    }
    return (String(decoding: index, as: UTF8.self), String(decoding: blocks, as: UTF8.self))
}

func hex(_ values: [UInt32]) -> String {
    values.map { value in
        let text = String(value, radix: 16)
        return String(repeating: "0", count: 5 - text.count) + text
    }.joined()
}

func printTable(_ name: String, _ note: String, _ text: String) {
    print("\n    /// \(note)")
    print("    static let \(name): StaticString = #\"\"\"")
    var rest = Substring(text)
    while !rest.isEmpty {
        let line = rest.prefix(112)
        rest = rest.dropFirst(112)
        print("        \(line)\(rest.isEmpty ? "" : "\\#")")
    }
    print("        \"\"\"#")
}

print("// Written by Tests/Tables/make-text-tables.swift. Do not edit.\n")
print(
    "/// What sanitising a text needs to know about each Unicode scalar below U+30000, as text so that it costs nothing at start."
)
print("enum TextTables {")
print("    static let end: UInt32 = 0x\(String(end, radix: 16))")
let (flagIndex, flagBlocks) = table(flags)
printTable("flagIndex", "Two digits in base 60, from `@`, for each 64 scalars: which block of `flagBlocks`.", flagIndex)
printTable("flagBlocks", "One byte for each scalar: the flags of `TextScalar` in the lower six bits.", flagBlocks)
let (classIndex, classBlocks) = table { value in
    let raw = Unicode.Scalar(value)?.properties.canonicalCombiningClass.rawValue ?? 0
    return UInt8(classes.firstIndex(of: raw) ?? 0)
}
printTable("classIndex", "As `flagIndex`, for `classBlocks`.", classIndex)
printTable(
    "classBlocks", "One byte for each scalar: `@` and the position in `order` of its canonical combining class.", classBlocks)
printTable("pairs", "Composed scalar, first and second part: five hexadecimal digits each.", pairs.map(hex).joined())
printTable(
    "fixed", "Scalars that are taken apart and never put together: scalar, number of parts, parts.",
    fixed.map { hex([$0[0]]) + String($0.count - 1) + hex(Array($0.dropFirst())) }.joined())
print("}")
