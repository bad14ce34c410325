#!/usr/bin/env python3
"""Records what real clients write as multipart/form-data: the content type in the first line, then the body.

Needs: pip install httpx requests; curl.    python3 Tests/Storage/Samples/make_forms.py
"""
import http.server, os, subprocess, threading
import httpx, requests

here = os.path.dirname(os.path.abspath(__file__))
seen = []
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        size = self.headers.get("Content-Length")
        if size is None:
            body = b""
            while (n := int(self.rfile.readline(), 16)):
                body += self.rfile.read(n); self.rfile.readline()
            self.rfile.readline()
        else: body = self.rfile.read(int(size))
        seen.append((self.headers["Content-Type"], body))
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *a): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/"
def keep(name):
    kind, body = seen.pop()
    with open(os.path.join(here, name + ".form"), "wb") as out: out.write(kind.encode() + b"\n" + body)
data = b"\x89PNG\r\n\x1a\n\r\n--not the boundary\r\n-\r\n\x00\xff"
names = {"ascii": "f 1.png", "quotes": 'a "b" c.png', "letters": "Grüße 日本.png"}
for label, name in names.items():
    httpx.post(url, data={"cacheControl": "3600"}, files={"file": (name, data, "image/png")}); keep("httpx-" + label)
    requests.post(url, data={"cacheControl": "3600"}, files={"file": (name, data, "image/png")}); keep("requests-" + label)
    with open("/tmp/sample-file", "wb") as out: out.write(data)
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    subprocess.run(["curl", "-s", "-F", "cacheControl=3600", "-F", f'file=@/tmp/sample-file;type=image/png;filename="{quoted}"', url], check=True); keep("curl-" + label)
