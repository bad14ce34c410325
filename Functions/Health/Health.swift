import HTTPTypes
import Swiftlet

/// Whether the host is alive (`?probe=live`, the default) and whether it can do its work (`?probe=ready`).
///
/// Ready means: accepting requests, every function booted (its secrets are there), every declared upstream reachable. The answer is
/// `application/health+json`: 200 with `pass`, 503 with `fail` and the checks that failed. Values of secrets never show.
struct Health: EdgeFunction {
    static let name: FunctionName = "health"
    static let policy = Policy(methods: [.get], rateLimit: .none, body: .none, deadline: .seconds(2), capabilities: [.hostReport])

    func handle(_ request: Request<Void>, from _: Anyone, in context: Context) async throws -> Response {
        let probe = request.queryText == nil ? "live" : request.query["probe"] ?? "live"
        guard probe == "live" || probe == "ready" else {
            throw HTTPError(
                400, .invalidInput, "probe is not one of: live, ready",
                problems: [.init(field: "probe", message: "live or ready")])
        }
        if probe == "live" { return Health.answer(Report(status: "pass", checks: nil), status: 200) }
        let report = try await context.hostReport(ready: true)
        let passed = report.accepting && report.checks.allSatisfy(\.passed)
        var checks = report.checks.map(Check.init)
        checks.insert(
            Check(HostReport.Check(name: "host", passed: report.accepting, note: report.accepting ? "accepting" : "stopping")),
            at: 0)
        return Health.answer(Report(status: passed ? "pass" : "fail", checks: checks), status: passed ? 200 : 503)
    }

    private static func answer(_ report: Report, status: Int) -> Response {
        // A report that cannot be encoded is a bug in this file, and still an answer a probe understands.
        guard var response = try? Response.json(report, status: status) else { return Response(status: 503) }
        response.headers = [.contentType: "application/health+json", .cacheControl: "no-store"]
        return response
    }

    struct Report: Encodable {
        let status: String
        let checks: [Check]?
    }

    struct Check: Encodable {
        let name: String
        let status: String
        let output: String
        let observedValue: Int?
        let observedUnit: String?

        init(_ check: HostReport.Check) {
            name = check.name
            status = check.passed ? "pass" : "fail"
            output = check.note
            observedValue = check.observed
            observedUnit = check.observed == nil ? nil : "ms"
        }
    }
}
