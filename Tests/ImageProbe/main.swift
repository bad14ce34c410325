import CLinux
import Glibc
import SwiftletImages

// A thumbnail process, one that tells what it may do, and some that misbehave.
let words = CommandLine.arguments
switch words.count > 1 ? words[1] : "" {
case "thumbnail": ThumbnailProgram.run()
case "facts": Facts.tell()
case "misbehave" where words.count > 2: Misbehaviour.run(words[2], marker: words.count > 3 ? words[3] : nil)
case "measure": Measure.run(Array(words.dropFirst(2)))
default: exit(64)
}
