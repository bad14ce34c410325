"""Headless Chromium as a witness: shows texts as HTML and tells what ran, what was loaded and which trees it read.

A driver page loads documents from a server on loopback into frames: many sanitised texts in one (each both as a part of the document and
through innerHTML), or one unsanitised text in each. Every document carries a report-only policy that forbids everything, so that a
script, a handler or a request tells itself even when it goes wrong; functions that payloads like to call are replaced by ones that
tell. Nothing is clicked."""

import http.server
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import time

HOOKS = """<!doctype html><meta charset=utf-8><title>x</title><script nonce=own>
for (const name of ['alert', 'confirm', 'prompt', 'print', 'eval', 'open'])
    window[name] = () => parent.tell('fired', %d, name);
addEventListener('error', event => parent.tell('errors', %d, String(event.message || event.target.tagName)), true);
addEventListener('unhandledrejection', event => parent.tell('errors', %d, 'rejection'));
document.addEventListener('securitypolicyviolation', event => {
    if (event.violatedDirective.startsWith('script') || event.blockedURI === 'inline' || event.blockedURI === 'eval')
        parent.tell('handlerRuns', %d, event.violatedDirective + ' ' + event.blockedURI);
    parent.tell('violations', %d, event.violatedDirective + ' ' + event.blockedURI);
});
</script><body>"""

DRIVER = """<!doctype html><meta charset=utf-8><script>
const report = {fired: [], errors: [], violations: [], handlerRuns: [], trees: [], handlers: 0};
window.tell = (kind, number, what) => { report[kind].push([number, what]); };
const pause = time => new Promise(done => setTimeout(done, time));

function frame(url) {
    return new Promise(done => {
        const frame = document.createElement('iframe');
        frame.sandbox = 'allow-scripts allow-same-origin allow-modals';
        frame.onload = () => done(frame);
        setTimeout(() => done(frame), 2000);
        frame.src = url;
        document.body.append(frame);
    });
}

function tree(element) {
    const list = [];
    for (const child of element.childNodes) {
        if (child.nodeType === 3) {
            if (typeof list[list.length - 1] === 'string') list[list.length - 1] += child.data; else list.push(child.data);
        } else if (child.nodeType === 1) {
            const attributes = {};
            for (const attribute of child.attributes) attributes[attribute.name] = attribute.value;
            const name = child.namespaceURI === 'http://www.w3.org/1999/xhtml' ? child.localName : child.namespaceURI + child.localName;
            list.push([name, attributes, ...tree(child)]);
        } else list.push(['#comment', {}]);
    }
    return list;
}

function handlers(scope) {
    let count = 0;
    for (const element of scope.querySelectorAll('*'))
        for (const name of element.getAttributeNames()) if (name.startsWith('on')) count += 1;
    return count;
}

async function many(batch) {
    const data = await (await fetch('/data/' + batch)).json();
    const shown = await frame('/many/' + batch);
    const inner = shown.contentDocument;
    for (const [index, text] of data.texts.entries()) {
        const served = inner.getElementById('case' + index);
        const inserted = inner.createElement('div');
        inner.body.append(inserted);
        inserted.innerHTML = text;
        const protocols = [...served.querySelectorAll('a[href]'), ...inserted.querySelectorAll('a[href]')].map(a => a.protocol);
        report.trees.push([tree(served), tree(inserted), protocols]);
    }
    report.handlers += handlers(inner);
    await pause(150);
    shown.remove();
}

async function one(number) {
    const shown = await frame('/one/' + number);
    await pause(120);
    try { report.handlers += handlers(shown.contentDocument); } catch {}
    report.trees.push(number);
    shown.remove();
}

onload = async () => {
    const plan = await (await fetch('/plan')).json();
    for (let batch = 0; batch < plan.many; batch += 1) await many(batch);
    let next = 0;
    const worker = async () => { while (next < plan.one) await one(next++); };
    await Promise.all(Array.from({length: 24}, worker));
    await fetch('/report', {method: 'POST', body: JSON.stringify(report)});
};
</script><body>"""

SIZE = 200


def browser_path():
    named = os.environ.get("SWIFTLET_CHROMIUM")
    return named or shutil.which("chromium-headless-shell") or shutil.which("chromium")


def processes_with(word):
    """The processes that were started with `word` among their arguments."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in process.read_bytes():
                found.append(int(process.parent.name))
        except OSError:  # it has ended meanwhile
            pass
    return found


class Browser:
    """A server and one Chromium for as long as the `with` lasts."""

    def __enter__(self):
        self._done = threading.Event()
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"browser": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def run(self, texts, alone=False, timeout=300):
        """Shows `texts`: together, or (`alone`) each as a document of its own, which then may do what it likes to its document.

        `fired`, `errors`, `violations`, `handlerRuns`: lists of [case or batch, what]. `handlers`: elements' on… attributes. `requests`: paths
        that were asked for beside the pages. `trees`: for each text [as served, through innerHTML, protocols of its links]."""
        self.texts, self.alone, self.requests, self.report = list(texts), alone, [], None
        self._done.clear()
        with tempfile.TemporaryDirectory() as folder:
            process = subprocess.Popen(
                [browser_path(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                 "--disable-background-networking", "--remote-debugging-port=0", f"--user-data-dir={folder}", self.url + "/"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
            try:
                assert self._done.wait(timeout), "the browser did not report"
            finally:
                # What we started may be a script that started the browser: all of them.
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(20)
                end = time.monotonic() + 20
                while of := processes_with(folder):
                    assert time.monotonic() < end, f"still there: {of}"
                    time.sleep(0.05)
        return {**self.report, "requests": self.requests}

    def batch(self, number):
        return self.texts[number * SIZE:(number + 1) * SIZE]

    def plan(self):
        return {"many": 0 if self.alone else -(-len(self.texts) // SIZE), "one": len(self.texts) if self.alone else 0}

    def finish(self, report):
        self.report = report
        self._done.set()

    def note(self, path):
        with self._lock:
            self.requests.append(path)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        browser = self.browser
        kind, _, number = self.path[1:].partition("/")
        if self.path == "/":
            self._send(DRIVER, "text/html; charset=utf-8")
        elif self.path == "/plan":
            self._send(json.dumps(browser.plan()), "application/json")
        elif kind == "data" and number.isdigit():
            self._send(json.dumps({"texts": browser.batch(int(number))}), "application/json")
        elif kind == "many" and number.isdigit():
            cases = "".join(f"<div id=case{index}>{text}</div>\n" for index, text in enumerate(browser.batch(int(number))))
            self._send(self._hooks(number) + cases, "text/html; charset=utf-8", strict=True)
        elif kind == "one" and number.isdigit() and int(number) < len(browser.texts):
            self._send(self._hooks(number) + browser.texts[int(number)], "text/html; charset=utf-8", strict=True)
        else:
            if kind not in ("favicon.ico",):
                browser.note(self.path)
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._send("", "text/plain")
        if self.path == "/report":
            self.browser.finish(json.loads(body))
        else:
            self.browser.note(self.path)

    def _hooks(self, number):
        return HOOKS.replace("%d", str(int(number)))

    def _send(self, text, kind, strict=False):
        body = text.encode("utf-8", "surrogatepass")
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if strict:
            self.send_header(
                "Content-Security-Policy-Report-Only", "default-src 'none'; script-src 'nonce-own'; form-action 'none'; base-uri 'none'")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass
