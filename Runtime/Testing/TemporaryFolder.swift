import Glibc

/// A folder that is gone after its use, with everything in it.
enum TemporaryFolder {
    static func with<Result>(_ body: (String) async throws -> Result) async throws -> Result {
        // In memory where there is such a place: nothing in it has to outlive anything.
        let place = getenv("TMPDIR").map { String(cString: $0) } ?? (access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp")
        var template = Array("\(place)/swiftlet-test-XXXXXX".utf8CString)
        guard template.withUnsafeMutableBufferPointer({ name in name.baseAddress.flatMap { mkdtemp($0) } }) != nil else {
            throw TemporaryFolderProblem(code: errno)
        }
        let path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        defer { remove(path) }
        return try await body(path)
    }

    private static func remove(_ path: String) {
        if let folder = opendir(path) {
            defer { closedir(folder) }
            while let entry = readdir(folder) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                guard name != ".", name != ".." else { continue }
                if entry.pointee.d_type == UInt8(DT_DIR) { remove("\(path)/\(name)") } else { unlink("\(path)/\(name)") }
            }
        }
        rmdir(path)
    }
}

struct TemporaryFolderProblem: Error {
    let code: Int32
}
