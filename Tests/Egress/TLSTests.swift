import TestSupport
import Foundation
import HTTPTypes
import SwiftletEgress
import SwiftletNet
import Testing

/// nginx with a certificate of its own, as a TLS and HTTP/2 peer.
final class TLSUpstream: @unchecked Sendable {
    let folder: URL
    let port: UInt16
    private let process = Process()

    static let isPossible = ["/usr/sbin/nginx", "/usr/bin/openssl"].allSatisfy {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    var authorities: String { folder.appendingPathComponent("cert.pem").path }

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("egress-tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let openssl = Process()
        openssl.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
        openssl.arguments = [
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
            "/CN=tls.test",
            "-addext", "subjectAltName=DNS:tls.test", "-keyout", folder.appendingPathComponent("key.pem").path, "-out",
            folder.appendingPathComponent("cert.pem").path,
        ]
        openssl.standardError = FileHandle.nullDevice
        try openssl.run()
        openssl.waitUntilExit()
        // A port that was free a moment ago; nginx takes no socket that is already open.
        let probe = try LoopbackUpstream { _ in }
        port = probe.port
        probe.stop()
        try Data(repeating: 66, count: 4 << 20).write(to: folder.appendingPathComponent("big.bin"))
        let config = """
            daemon off; master_process off; pid \(folder.path)/nginx.pid; error_log \(folder.path)/error.log;
            events { worker_connections 256; }
            http {
              access_log off; client_body_temp_path \(folder.path)/body; proxy_temp_path \(folder.path)/proxy;
              fastcgi_temp_path \(folder.path)/f; uwsgi_temp_path \(folder.path)/u; scgi_temp_path \(folder.path)/s;
              server {
                listen 127.0.0.1:\(port) ssl http2; ssl_certificate \(folder.path)/cert.pem; ssl_certificate_key \(folder.path)/key.pem;
                location /big.bin { root \(folder.path); }
                location / { default_type text/plain; return 200 "$server_protocol $connection $host"; }
              }
            }
            """
        let file = folder.appendingPathComponent("nginx.conf")
        try config.write(to: file, atomically: true, encoding: .utf8)
        process.executableURL = URL(fileURLWithPath: "/usr/sbin/nginx")
        process.arguments = ["-c", file.path, "-p", folder.path, "-e", folder.appendingPathComponent("error.log").path]
        process.standardError = FileHandle.nullDevice
        try process.run()
    }

    func stop() {
        // Its signal mask came from a thread that blocks the polite ones.
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        try? FileManager.default.removeItem(at: folder)
    }
}

@Suite(.enabled(if: TLSUpstream.isPossible, "nginx and openssl are not installed"))
struct TLSTests {
    /// The server is up when a request gets through; until then connecting fails.
    private func untilReady(_ client: EgressClient, _ url: String, _ policy: EgressPolicy) async throws {
        for _ in 0..<2_000 {
            let found = await code { _ = try await client.send(EgressRequest(url: url), policy: policy).collect() }
            if found != .connectFailed { return }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    @Test func `over TLS requests share one HTTP 2 connection, names are verified, and a stopped reader stops nobody else`()
        async throws
    {
        let upstream = try TLSUpstream()
        defer { upstream.stop() }
        let url = "https://tls.test:\(upstream.port)/"
        let resolver = TableResolver(["tls.test": [["203.0.114.10"]], "other.test": [["203.0.114.10"]]])
        let detours = Detours(["203.0.114.10": upstream.port])
        let client = try makeClient(resolver: resolver, authorities: upstream.authorities, detours: detours)
        let policy = try EgressPolicy(hosts: ["tls.test:\(upstream.port)", "other.test:\(upstream.port)"])
        try await untilReady(client, url, policy)

        let answers = await withTaskGroup(of: String.self) { group in
            for _ in 0..<100 {
                group.addTask {
                    do {
                        let response = try await client.send(EgressRequest(url: url, timeouts: .quick()), policy: policy)
                        return "\(response.version.rawValue) \(text(try await response.collect()))"
                    } catch { return "\(error)" }
                }
            }
            var answers: [String] = []
            for await answer in group { answers.append(answer) }
            return answers
        }
        #expect(answers.count == 100)
        #expect(Set(answers).count == 1)
        #expect(answers[0].hasPrefix("2 HTTP/2.0"))
        #expect(answers[0].hasSuffix("tls.test"))

        // One body is left unread on the shared connection while others come and go.
        let held = try await client.send(EgressRequest(url: url + "big.bin", timeouts: .quick()), policy: policy)
        for _ in 0..<5 {
            let response = try await client.send(EgressRequest(url: url, timeouts: .quick()), policy: policy)
            #expect(text(try await response.collect()) == answers[0].dropFirst(2))
        }
        #expect(try await held.collect().count == 4 << 20)
        #expect(client.metrics.openConnections == 1)

        // The same server under a name that its certificate does not hold.
        let wrong = await code {
            _ = try await client.send(EgressRequest(url: "https://other.test:\(upstream.port)/"), policy: policy)
        }
        #expect(wrong == .tlsFailed)
        await client.shutdown()

        // Without the authority nobody vouches for it.
        let plain = try makeClient(resolver: resolver, detours: detours)
        #expect(await code { _ = try await plain.send(EgressRequest(url: url), policy: policy) } == .tlsFailed)
        await plain.shutdown()
    }

    @Test func `a streamed body and a cancelled transfer leave a shared connection usable`() async throws {
        let upstream = try TLSUpstream()
        defer { upstream.stop() }
        let url = "https://tls.test:\(upstream.port)/"
        let client = try makeClient(
            resolver: TableResolver(["tls.test": [["203.0.114.10"]]]), authorities: upstream.authorities,
            detours: Detours(["203.0.114.10": upstream.port]))
        let policy = try EgressPolicy(hosts: ["tls.test:\(upstream.port)"])
        try await untilReady(client, url, policy)
        for _ in 0..<5 {
            let response = try await client.send(EgressRequest(url: url + "big.bin"), policy: policy)
            response.body.cancel()
        }
        let response = try await client.send(EgressRequest(url: url), policy: policy)
        #expect(text(try await response.collect()).hasPrefix("HTTP/2.0"))
        await client.shutdown()
    }
}
