import Functions
import SwiftletCommand

@main
enum Main {
    static func main() { CommandLineTool.run(registeredFunctions, mounts: furtherPaths) }
}
