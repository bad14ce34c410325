"""What `sanitizeHTML` writes, read by other people's parsers: html5lib, html5ever (through nh3) and headless Chromium.

Needs html5lib and nh3 (pip), `chromium-headless-shell` or `chromium` (apt), a built `swiftlet-corpus`, and the shared test data for the
tests that run it."""

import json
import os
import pathlib
import random
import subprocess

import html5lib
import nh3
import pytest

from sanitize_browser import Browser, browser_path

ROOT = pathlib.Path(__file__).resolve().parents[2]


def shared():
    if "SWIFTLET_SHARED" in os.environ:
        return pathlib.Path(os.environ["SWIFTLET_SHARED"]) / "corpora"
    near = [ROOT / "../shared/corpora", ROOT / "../../shared/corpora"]
    return next((path.resolve() for path in near if path.exists()), None)


SHARED = shared()
needs_data = pytest.mark.skipif(SHARED is None, reason="no shared test data beside the repository")
needs_browser = pytest.mark.skipif(browser_path() is None, reason="no chromium-headless-shell and no chromium")

ELEMENTS = set("a b i em strong u s del p br hr ul ol li code pre blockquote h1 h2 h3 h4 h5 h6 span sub sup".split())
ATTRIBUTES = {"a": {"href", "title", "rel"}}
SCHEMES = {"http", "https", "mailto", "tel"}
VOID = {"br", "hr"}


def corpus(area, rows):
    tool = ROOT / ".build" / os.environ.get("SWIFTLET_BUILD", "debug") / "swiftlet-corpus"
    assert tool.exists(), f"{tool} is not built: swift build --product swiftlet-corpus"
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    run = subprocess.run([tool, area], input=lines.encode(), capture_output=True, timeout=300)
    assert run.returncode == 0, run.stderr.decode()
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == [row["id"] for row in rows]
    return answers


def data(path):
    return [json.loads(line) for line in open(SHARED / path)]


def parsed(text):
    """The tree of a fragment as nested lists: ["name", {attributes}, child, …] and text, joined."""
    builder = html5lib.getTreeBuilder("etree")
    parser = html5lib.HTMLParser(tree=builder, namespaceHTMLElements=True)
    root = parser.parseFragment(text, container="div")

    def add(children, text):
        if not text:
            return
        if children and isinstance(children[-1], str):
            children[-1] += text
        else:
            children.append(text)

    def walk(element):
        children = []
        add(children, element.text)
        for child in element:
            if not isinstance(child.tag, str):
                children.append(["#comment", {}])
            else:
                name = child.tag.removeprefix("{http://www.w3.org/1999/xhtml}")
                children.append([name, {str(k): v for k, v in child.attrib.items()}, *walk(child)])
            add(children, child.tail)
        return children

    return walk(root)


def elements(tree):
    todo = [child for child in tree if not isinstance(child, str)]
    while todo:
        element = todo.pop()
        yield element
        todo += [child for child in element[2:] if not isinstance(child, str)]


def depth(tree):
    deepest, level = 0, [(child, 1) for child in tree if not isinstance(child, str)]
    while level:
        element, at = level.pop()
        deepest = max(deepest, at)
        level += [(child, at + 1) for child in element[2:] if not isinstance(child, str)]
    return deepest


def scheme(value):
    """The scheme as the URL standard finds it; "" for a relative link."""
    value = value.strip("".join(map(chr, range(0x21))))
    value = "".join(c for c in value if c not in "\t\n\r")
    head, colon, _ = value.partition(":")
    if not colon or not head[:1].isascii() or not head[:1].isalpha():
        return ""
    return head.lower() if all(c.isascii() and (c.isalnum() or c in "+-.") for c in head) else ""


def written(tree):
    out = []
    for node in tree:
        if isinstance(node, str):
            out.append(node.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
            continue
        name, attributes, *children = node
        quoted = "".join(
            f' {k}="{v.replace("&", "&amp;").replace(chr(34), "&quot;")}"' for k, v in sorted(attributes.items()))
        # Parsers drop a line feed that comes first in `pre`.
        lost = "\n" if name == "pre" and children and isinstance(children[0], str) and children[0][0] == "\n" else ""
        out.append(f"<{name}{quoted}>" + ("" if name in VOID else lost + written(children) + f"</{name}>"))
    return "".join(out)


def faults(answer, source, relative=False):
    """Everything that is wrong with one answer; empty when it keeps every promise."""
    output = answer["output"]
    tree = parsed(output)
    found = []
    for name, attributes, *_ in elements(tree):
        if name not in ELEMENTS:
            found.append(f"element {name}")
        for key, value in attributes.items():
            if key not in ATTRIBUTES.get(name, set()):
                found.append(f"attribute {name}.{key}")
            if key == "href" and scheme(value) not in (SCHEMES | {""} if relative else SCHEMES):
                found.append(f"scheme {scheme(value)!r}")
            if key == "rel" and value != "nofollow noopener noreferrer":
                found.append("rel")
        if "href" in attributes and "rel" not in attributes:
            found.append("no rel")
    if parsed(written(tree)) != tree:
        found.append("another tree after writing and reading")
    if output != answer["again"]:
        found.append("not idempotent")
    if depth(tree) > 100:
        found.append("too deep")
    if len(output.encode()) > 6 * len(source.encode()) + (2 * source.lower().count("<a") if relative else 0):
        found.append("too long")
    return found


def without_rel(tree):
    return [
        node if isinstance(node, str) else [node[0], {k: v for k, v in node[1].items() if k != "rel"}, *without_rel(node[2:])]
        for node in tree
    ]


def failing(rows, answers, relative=False):
    wrong = {}
    for row, answer in zip(rows, answers):
        found = faults(answer, row["input"], relative)
        if found:
            wrong[row["id"]] = found
    return wrong


@needs_data
def test_every_payload_leaves_only_what_is_allowed():
    rows = data("xss/payloads.jsonl")
    wrong = failing(rows, corpus("xss", rows))
    assert not wrong, wrong
    # The same check finds fault with what was not sanitised: it can fail.
    raw = failing(rows, [{"output": row["input"], "again": row["input"]} for row in rows])
    assert len(raw) > len(rows) / 2


@needs_data
def test_benign_documents_keep_the_tree_that_html5ever_gives_them():
    rows = data("xss/benign_html.jsonl")
    answers = corpus("xss", rows)
    wrong = failing(rows, answers, relative=True)
    for row, answer in zip(rows, answers):
        if without_rel(parsed(answer["output"])) != without_rel(parsed(row["ref_nh3_core"])):
            wrong.setdefault(row["id"], []).append("another tree than nh3's")
    assert not wrong, wrong
    print(f"{len(rows)} documents keep their tree")


@needs_data
def test_named_references_are_decoded_once():
    rows = data("html/named_entities.jsonl")
    answers = corpus("html", rows)
    wrong = failing(rows, answers)
    wrong.update({row["id"]: answer["got"] for row, answer in zip(rows, answers) if answer["got"] != row["output"]})
    wrong.update({row["id"]: answer["output"] for row, answer in zip(rows, answers)
                  if "".join(parsed(answer["output"])) != row["output"].replace("\r", "\n")})
    assert not wrong, wrong


@needs_data
def test_the_tokens_are_those_of_the_shared_data():
    def unescaped(value):
        if isinstance(value, str):
            return value.encode("ascii", "backslashreplace").decode("unicode_escape")
        return [unescaped(item) for item in value] if isinstance(value, list) else value

    rows = data("html/tokenizer.jsonl")
    answers = corpus("html", rows)
    wrong = [row["id"] for row, answer in zip(rows, answers)
             if answer["got"] != (unescaped(row["output"]) if row.get("doubleEscaped") else row["output"])]
    assert not wrong, wrong


# Random documents.

PIECES = (
    "< > & \" ' = / ` \\ \0 \r \n \t &lt; &amp &#0; &#x80; &#13; &nbsp; &notit; <!-- --> --!> <!> <? ]]> <![CDATA[ </ <a <b </p "
    "x y é 😀 \ufeff \u2028").split(" ") + [" ", "  "]
LINKS = ["http://a/", "HTTPS://b", "javascript:alert(1)", "java\tscript:x", "&#106;avascript:x", "//c", "/d", "data:text/html,x", "mailto:a@b",
         "tel:1", " \x01javascript:x", "https:e", "vbscript:x", "?f", "#g", ""]
OTHERS = ("div table tr td select option svg math style script template noscript iframe textarea title xmp plaintext form input button "
          "img image object nobr font foreignObject mtext desc annotation-xml body html head marquee noembed noframes frameset x-y").split()


def soup(source, names, pieces, size, attributed):
    out = []
    for _ in range(source.randrange(1, size)):
        kind = source.random()
        if kind < 0.42:
            name = source.choice(names)
            attributes = ""
            if attributed and source.random() < 0.2:
                quote = source.choice(["", "'", '"'])
                attributes += f" href={quote}{source.choice(LINKS)}{quote}"
            if attributed and source.random() < 0.1:
                attributes += source.choice([" title=a", ' title="<b>"', " onclick=x()", " style='x'", " id=a", "/", " =", " title='\r\n'"])
            out.append(f"<{name}{attributes}>")
        elif kind < 0.75:
            out.append(f"</{source.choice(names)}>")
        else:
            out.append(source.choice(pieces))
    return "".join(out)


def random_rows(seed, count, names, pieces, size=60, attributed=True):
    source = random.Random(seed)
    return [{"id": str(number), "input": soup(source, names, pieces, size, attributed)} for number in range(count)]


def test_random_documents_keep_every_promise():
    rows = random_rows(1, 3000, sorted(ELEMENTS) + OTHERS, PIECES)
    wrong = failing(rows, corpus("xss", rows))
    assert not wrong, {key: (value, rows[int(key)]["input"]) for key, value in list(wrong.items())[:3]}


def stripped(tree):
    """The tree without the attributes that the policy drops."""
    return [
        node if isinstance(node, str) else
        [node[0], {k: v for k, v in node[1].items() if k in ("href", "title") and node[0] == "a"}, *stripped(node[2:])]
        for node in tree
    ]


def test_random_documents_of_allowed_elements_get_the_tree_of_a_parser():
    """Where no bound applies, and where the parser's own tree survives being written, the sanitised tree is the parser's tree.

    Without attributes: those that are dropped do not count when formatting elements are compared, in a parser they do. Without line feeds:
    html5lib looks for the one after `<pre>` beyond the next token."""
    rows = random_rows(2, 3000, sorted(ELEMENTS), ["x", "y", " ", "&lt;", "é"], 40, attributed=False)
    compared, wrong = 0, {}
    for row, answer in zip(rows, corpus("xss", rows)):
        tree = stripped(parsed(row["input"]))
        theirs = nh3.clean(row["input"], tags=ELEMENTS, attributes={"a": {"href", "title"}, "*": set()}, link_rel=None)
        # html5lib follows an older text of the standard: where html5ever disagrees with it, neither is asked.
        if parsed(written(tree)) != tree or stripped(parsed(theirs)) != tree:
            continue
        compared += 1
        if without_rel(parsed(answer["output"])) != tree:
            wrong[row["id"]] = (row["input"], answer["output"], written(tree))
    assert compared > 2800
    assert not wrong, (len(wrong), min(wrong.values(), key=lambda value: len(value[0])))


# Chromium.

@needs_browser
def test_unsanitised_payloads_fire_in_the_browser():
    """The control: the harness sees what runs, what is loaded and what would run."""
    payloads = [
        "<img src=x onerror=alert(1)>", "<script>alert(2)</script>", "<svg onload=alert(3)>", "<script>throw 1</script>",
        "<b onclick=alert(5)>x</b>", "<details open ontoggle=alert(6)>x</details>", "<img src=/seen>", "<style>@import '/seen2'</style>",
    ]
    with Browser() as browser:
        alone = browser.run(payloads, alone=True)
        together = browser.run(payloads)
    assert {case for case, _ in alone["fired"]} == {0, 1, 2, 5}, alone["fired"]
    assert 3 in {case for case, _ in alone["errors"]}
    assert alone["handlers"] >= 4 and {"/seen", "/seen2"} <= set(alone["requests"])
    assert {case for case, _ in alone["violations"]} >= {0, 1, 2, 3, 5, 6, 7}
    # The same documents in the way the sanitised ones are shown.
    assert together["fired"] and together["violations"] and together["requests"] and together["handlers"] >= 4
    assert together["trees"][4][0] == [["b", {"onclick": "alert(5)"}, "x"]]


def browser_rows():
    rows = random_rows(3, 1500, sorted(ELEMENTS) + OTHERS, PIECES)
    if SHARED:
        rows += data("xss/payloads.jsonl") + data("xss/benign_html.jsonl")
    return rows


@needs_browser
def test_nothing_fires_in_the_browser_and_it_reads_the_same_tree():
    rows = browser_rows()
    answers = corpus("xss", rows)
    outputs = [answer["output"] for answer in answers]
    with Browser() as browser:
        report = browser.run(outputs)
        if SHARED:
            unsanitised = browser.run([row["input"] for row in data("xss/payloads.jsonl")], alone=True)
    assert report["fired"] == [], report["fired"][:5]
    assert report["handlers"] == 0 and report["requests"] == [] and report["violations"] == [] and report["errors"] == []
    assert len(report["trees"]) == len(outputs)
    wrong, links = {}, 0
    for row, output, (served, inserted, protocols) in zip(rows, outputs, report["trees"]):
        tree = parsed(output)
        if served != tree or inserted != tree:
            wrong[row["id"]] = (output, served, inserted)
        links += len(protocols)
        # ":" is what Chromium says of an address that it cannot read: that link leads nowhere.
        allowed = {"http:", "https:", "mailto:", "tel:", ":"}
        if not set(protocols) <= allowed:
            wrong[row["id"]] = protocols
    assert not wrong, (len(wrong), list(wrong.items())[:2])
    print(f"{len(outputs)} outputs, {links} links in Chromium: nothing fired")
    if SHARED:
        fired = {case for case, _ in unsanitised["fired"]}
        print(f"unsanitised: {len(fired)} of {len(unsanitised['trees'])} payloads fired")
        told = fired | {case for case, _ in unsanitised["handlerRuns"]}
        print(f"unsanitised: {len(told)} ran or tried to")
        assert len(fired) > 200


@needs_data
def test_chat_messages_keep_their_text():
    rows = data("benign/messages.jsonl")
    wrong = []
    for row, answer in zip(rows, corpus("xss", rows)):
        plain = row["input"].replace("\r\n", "\n").replace("\r", "\n")
        if "<" in plain or "&" in plain:
            continue
        if "".join(parsed(answer["output"])) != plain:
            wrong.append(row["id"])
    assert not wrong, wrong


def test_nh3_agrees_on_documents_of_allowed_elements():
    """A second parser, html5ever, as a witness; rows whose tree nh3 itself does not keep are left out."""
    rows = random_rows(4, 2000, sorted(ELEMENTS), ["x", " ", "&lt;", "é"], 25)
    wrong, compared = {}, 0
    for row, answer in zip(rows, corpus("xss", rows)):
        theirs = nh3.clean(row["input"], tags=ELEMENTS, attributes={"a": {"href", "title"}, "*": set()}, url_schemes=SCHEMES, link_rel=None)
        if nh3.clean(theirs, tags=ELEMENTS, attributes={"a": {"href", "title"}, "*": set()}, url_schemes=SCHEMES, link_rel=None) != theirs:
            continue
        ours, expected = without_rel(parsed(answer["output"])), parsed(theirs)
        # Relative links are a matter of policy.
        for tree in (ours, expected):
            for element in elements(tree):
                if scheme(element[1].get("href", "x:")) == "" or element[1].get("href") == "https:e":
                    element[1].pop("href", None)
        compared += 1
        if ours != expected:
            wrong[row["id"]] = (row["input"], answer["output"], theirs)
    assert compared > 1800
    assert not wrong, (len(wrong), min(wrong.values(), key=lambda value: len(value[0])))
