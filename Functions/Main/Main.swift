import Functions
import SwiftletCommand

@main
enum Main {
    static func main() async { await CommandLineTool.run(registeredFunctions) }
}
