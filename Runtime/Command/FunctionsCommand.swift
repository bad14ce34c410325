import ArgumentParser
import Glibc
import Swiftlet

struct FunctionsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "functions", abstract: "List the functions of this host, or start a new one.",
        subcommands: [List.self, New.self], defaultSubcommand: List.self)

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print each function with its URL, callers, methods and limits.")
        @Flag(help: "Print JSON instead of a table.") var json = false

        func run() throws {
            let functions = CommandLineTool.functions
            let table = FunctionTable(functions, mounts: CommandLineTool.mounts)
            print(json ? table.json : table.text, terminator: "")
        }
    }

    struct New: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Create a function: its folder, its line in the registry, and a test that passes.",
            discussion: """
                Run it in the root of the repository:

                  swiftlet functions new send-receipt

                creates Functions/SendReceipt/SendReceipt.swift and Tests/Functions/SendReceiptTests.swift and adds SendReceipt.self to
                Functions/Registry.swift. Nothing that exists is overwritten.
                """)
        @Argument(help: "The function's name as in its URL: letters, digits, '-' and '_', starting with a letter.") var name:
            String
        @Option(help: "Who may call: user (a valid token), visitor (a token or none) or anyone.") var auth: Auth = .user

        enum Auth: String, ExpressibleByArgument, CaseIterable {
            case user, visitor, anyone
        }

        func run() throws {
            guard let name = FunctionName(name) else {
                throw ValidationError("'\(name)' is no function name: \(FunctionName.rule)")
            }
            guard !CommandLineTool.functions.contains(where: { $0.name == name }) else {
                throw ValidationError("a function named \(name) is registered already")
            }
            for line in try Scaffold(name: name, auth: auth).write() { print(line) }
        }
    }
}

/// The files of a new function.
struct Scaffold {
    let name: FunctionName
    let auth: FunctionsCommand.New.Auth

    var type: String {
        name.text.split(whereSeparator: { $0 == "-" || $0 == "_" }).map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
    }

    private var caller: (type: String, parameter: String) {
        switch auth {
        case .user: ("User", "user")
        case .visitor: ("Visitor", "visitor")
        case .anyone: ("Anyone", "_")
        }
    }

    var source: String {
        """
        import Swiftlet

        /// Says hello. Replace this line with what the function does for its callers.
        struct \(type): EdgeFunction {
            static let name: FunctionName = "\(name)"
            static let policy = Policy(
                methods: [.post],
                rateLimit: .perCaller(100, every: .minutes(1)),
                body: .json(upTo: .kib(64))
            )

            func handle(_ request: Request<Input>, from \(caller.parameter): \(caller.type), in context: Context) async throws -> Output {
                Output(message: "Hello, \\(request.body.name)!")
            }
        }

        extension \(type) {
            struct Input: Decodable {
                let name: String
            }

            struct Output: Encodable {
                let message: String
            }
        }

        """
    }

    var test: String {
        let token = auth == .anyone ? "" : ", as: .user(\"u1\")"
        let refusal =
            auth == .user
            ? """


                @Test func `a caller without a token is refused`() async throws {
                    try await TestHost.run([Registration(\(type).self)]) { host in
                        let answer = try await host.post("/functions/v1/\(name)", json: ["name": "Ada"])
                        #expect(answer.status == 401)
                    }
                }
            """ : ""
        return """
            import Swiftlet
            import SwiftletTesting
            import Testing

            @testable import Functions

            @Suite struct \(type)Tests {
                @Test func `\(name) greets by name`() async throws {
                    try await TestHost.run([Registration(\(type).self)]) { host in
                        let answer = try await host.post("/functions/v1/\(name)", json: ["name": "Ada"]\(token))
                        #expect(answer.status == 200)
                        #expect(answer.json?["message"]?.string == "Hello, Ada!")
                    }
                }\(refusal)
            }

            """
    }

    /// Writes the files and returns what was done, a line each.
    func write() throws -> [String] {
        let registry = "Functions/Registry.swift"
        guard let registryText = TextFile.read(registry) else {
            throw ValidationError("there is no \(registry) here; run this in the root of the repository")
        }
        let folder = "Functions/\(type)"
        let source = "\(folder)/\(type).swift"
        let test = "Tests/Functions/\(type)Tests.swift"
        for path in [folder, test] where access(path, F_OK) == 0 {
            throw ValidationError("\(path) exists already; nothing was written")
        }
        guard let end = registryText.lastIndex(of: "}") else {
            throw ValidationError("\(registry) has no closing brace; add \(type).self to it by hand")
        }
        try TextFile.makeFolder(folder)
        try TextFile.write(source, self.source)
        try TextFile.write(test, self.test)
        try TextFile.write(registry, registryText[..<end] + "    \(type).self\n" + registryText[end...])
        return [
            "Created new Function at \(source)", "Created its test at \(test)", "Added \(type).self to \(registry)",
            "Try it: Tests/run --filter \(type)Tests, then Runtime/serve",
        ]
    }
}

/// Small text files, without Foundation.
enum TextFile {
    static func read(_ path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = fread(&chunk, 1, chunk.count, file)
            guard count > 0 else { break }
            bytes.append(contentsOf: chunk[..<count])
        }
        return String(validating: bytes, as: UTF8.self)
    }

    static func write(_ path: String, _ text: some StringProtocol) throws {
        let temporary = path + ".new"
        guard let file = fopen(temporary, "w") else {
            throw ValidationError("cannot write \(path): \(String(cString: strerror(errno)))")
        }
        let bytes = Array(text.utf8)
        let written = fwrite(bytes, 1, bytes.count, file)
        let closed = fclose(file)
        guard written == bytes.count, closed == 0, rename(temporary, path) == 0 else {
            let reason = String(cString: strerror(errno))
            unlink(temporary)
            throw ValidationError("cannot write \(path): \(reason)")
        }
    }

    static func makeFolder(_ path: String) throws {
        guard mkdir(path, 0o755) == 0 || errno == EEXIST else {
            throw ValidationError("cannot create \(path): \(String(cString: strerror(errno)))")
        }
    }
}
