#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Metrics as those see them who'll use them:  tests/metrics/run.py SERVE-PROGRAM

promtool looks at the text, the alerts and their tests; a real Prometheus scrapes the real
rendering over HTTP (tests/metrics/serve.c), and each query of the dashboard has to give data.
The dashboard itself is what Grafana's schema wants (schema.py).
Runs in the build root, in a network of its own.
"""

import contextlib
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "mk"))
import browser  # noqa: E402
import schema  # noqa: E402
from results import Results  # noqa: E402
from waiting import LIMIT, until  # noqa: E402

ALERTS, DASHBOARD = ROOT / "kho-agent/share/alerts.yml", ROOT / "kho-agent/share/dashboard.json"
TARGET, SERVER = "127.0.0.1:9786", "127.0.0.1:9090"
PAGE = f"http://{TARGET}/"
CONFIG = f"""
global:
  scrape_interval: 1s
  scrape_timeout: 1s
  evaluation_interval: 1s
rule_files: ["{ALERTS.resolve()}"]
scrape_configs:
  - job_name: kho-agent
    static_configs:
      - targets: ["{TARGET}"]
"""
NPM_LIST, CACHE = ROOT / "mk/npm.packages", Path("/cache") # see mk/npm.sh
VARIABLES = {"$job": "kho-agent", "$instance": ".*", "$__rate_interval": "1m"}


def tool(*command, text=None):
    """Runs a checker, which has to be content and to say nothing against it."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=LIMIT,
                          check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0 and "error" not in said.lower(), said
    return said


def families():
    """Names of docs/metrics.md, which a unit test compares with the table."""
    text = (ROOT / "docs/metrics.md").read_text()
    return {name: kind for name, kind in re.findall(r"^\| (kho_\w+) \| (\w+) \|", text, re.M)}


def names_in(expression):
    """Families that a query asks for; labels of the same names aside."""
    for name in re.findall(r"\bkho_\w+(?=\{|\s|\)|\[|$)", re.sub(r"\{[^}]*\}", "{}", expression)):
        yield re.sub(r"_(total|info|bucket|sum|count)$", "", name)


# ---- promtool ----

def text_format(serve):
    """The text of an agent in the middle of a move, by Prometheus' rules for names."""
    tool("promtool", "check", "metrics", text=tool(serve, "--text"))


def alerts(_serve):
    """The alerts are well formed, and ask for families that there are."""
    tool("promtool", "check", "rules", "--lint-fatal", str(ALERTS))
    known = families()
    asked = set()
    for expression in re.findall(r"expr: (?:\|\n((?: {10}.*\n)+)|(.*)\n)", ALERTS.read_text()):
        asked.update(names_in("".join(expression).replace("without (kho_owner)", "")
                              .replace("ignoring (kho_last_upgrade_result)", "")))
    assert len(asked) > 9 and asked <= known.keys(), asked - known.keys()


def alert_tests(_serve):
    """Each alert has a test, and all tests pass."""
    files = sorted(HERE.glob("alerts*_test.yml"))
    tool("promtool", "test", "rules", *map(str, files))
    tests = "".join(file.read_text() for file in files)
    for name in re.findall(r"- alert: (\w+)", ALERTS.read_text()):
        assert f'alertname="{name}"' in tests, f"{name} has no test"


def picture(serve):
    """khoctl's picture of an upgrade is SVG that an XML parser takes, whatever names are in it."""
    entry = json.loads((ROOT / "tests/unit/data/committed.json").read_text())
    entry["by"] = entry["move"]["workloads"][0]["name"] = "<a b='&'>\"]]>"
    svg = tool(str(Path(serve).parents[1] / "bin/khoctl"), "show", "--svg", "--file=-",
               text=json.dumps(entry))
    tree = ElementTree.fromstring(svg)
    texts = [element.text for element in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert tree.tag == "{http://www.w3.org/2000/svg}svg" and "<a b='&'>\"]]>" in texts, texts


# ---- a real server ----

@contextlib.contextmanager
def running(*command, log):
    """A program, until the end of the block."""
    with open(log, "wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def fetch(url, accept=None):
    """Body and type."""
    request = urllib.request.Request(url, headers={"Accept": accept} if accept else {})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return answer.read().decode(), answer.headers["Content-Type"]


def ask(path, **parameters):
    """The server's API."""
    query = urllib.parse.urlencode(parameters)
    return json.loads(fetch(f"http://{SERVER}/api/v1/{path}?{query}")[0])["data"]


def samples():
    """How often it was scraped."""
    found = ask("query", query='count_over_time(up{job="kho-agent"}[5m])')["result"]
    return int(found[0]["value"][1]) if found else 0


def negotiates():
    """Both formats, each to whoever wants it."""
    url = f"http://{TARGET}/metrics"
    text, kind = fetch(url, "text/plain")
    assert kind.startswith("text/plain; version=0.0.4") and "# EOF" not in text, kind
    text, kind = fetch(url, "application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text; version=1.0.0"), kind
    assert text.endswith("# EOF\n") and "# TYPE kho_phase stateset" in text


class Texts(HTMLParser):
    """Texts of table cells, and the addresses that the page refers to."""

    def __init__(self, page):
        super().__init__()
        self.cells, self.links, self.tags, self._open = [], [], set(), False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self._open = tag == "td"
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name in ("href", "src")]
        if self._open:
            self.cells.append("")

    def handle_endtag(self, tag):
        self._open = self._open and tag != "td"

    def handle_data(self, data):
        if self._open:
            self.cells[-1] += data


def status_page():
    """Whole without a script, with nothing from elsewhere; then told of changes."""
    page, kind = fetch(f"http://{TARGET}/")
    texts = Texts(page)
    assert kind == "text/html; charset=utf-8" and not texts.tags & {"b", "i"}, texts.tags
    for cell in ("pre-copy", "redis", "543.2 MiB", "<b>&\"'", "committed", "100.3 s"):
        assert cell in texts.cells, (cell, texts.cells)
    for link in texts.links:
        assert link.startswith("/") and fetch(f"http://{TARGET}{link}")[0], link
    with urllib.request.urlopen(f"http://{TARGET}/events", timeout=5) as stream:
        events = [json.loads(line[6:]) for line in (stream.readline() for _ in range(5))
                  if line.startswith(b"data: ")]
    assert len(events) == 3 and events[0]["phase"] == "sync", events
    assert events[2]["onlineCpus"] == events[1]["onlineCpus"] + 1, events


def scraped():
    """All families arrived, with their types."""
    target, = ask("targets")["activeTargets"]
    assert target["health"] == "up" and not target["lastError"], target
    metadata = ask("metadata")
    for name, kind in families().items():
        full = [key for key in (name, f"{name}_total", f"{name}_info") if key in metadata]
        assert full, f"{name} didn't arrive"
        assert metadata[full[0]][0]["type"] == kind, (name, metadata[full[0]])


def expressions():
    """(where, query) of all panels, annotations and variables of the dashboard."""
    board = json.loads(DASHBOARD.read_text())
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for annotation in board["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]


def dashboard():
    """Each query gives data, and each panel asks for families that there are."""
    known, asked = families(), set()
    for where, expression in expressions():
        asked.update(names_in(expression))
        for variable, value in VARIABLES.items():
            expression = expression.replace(variable, value)
        assert "$" not in expression, f"{where}: {expression}"
        assert ask("query", query=expression)["result"], f"{where}: no data by {expression}"
    assert len(asked) > 25 and asked <= known.keys(), asked - known.keys()


def schema_package():
    """Where Grafana's schema is, if it is."""
    name = hashlib.sha256(NPM_LIST.read_bytes()).hexdigest()[:12]
    return CACHE / f"npm-{name}" / "schema"


def dashboard_schema(_serve):
    """It's one that Grafana would take."""
    with tempfile.TemporaryDirectory() as folder:
        schema.check(json.loads(DASHBOARD.read_text()), schema_package(), folder)


def on_a_server(serve, results):
    """Those that need a Prometheus that has scraped."""
    logs = ROOT / "build/logs"
    chromium = logs / "metrics-chromium.log"
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "prometheus.yml")
        config.write_text(CONFIG)
        with running(serve, TARGET, log=logs / "metrics-serve.log") as target:
            until("serve", lambda: fetch(f"http://{TARGET}/metrics"), target)
            attempt(results, "negotiation", negotiates)
            attempt(results, "status-page", status_page)
            attempt(results, "status-page-live", browser.follows, PAGE, chromium)
            attempt(results, "status-page-without-script", browser.without_script, PAGE, chromium)
            attempt(results, "status-page-picture", browser.picture, PAGE, chromium,
                    ROOT / "build/status-page.png")
            with running("prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}",
                         f"--web.listen-address={SERVER}", log=logs / "metrics-prometheus.log") as server:
                until("prometheus", lambda: samples() >= 3, server)
                attempt(results, "scrape", scraped)
                attempt(results, "dashboard", dashboard)


def attempt(results, name, test, *arguments):
    """One result."""
    begin = time.monotonic()
    try:
        test(*arguments)
        results.add("pass", name, time.monotonic() - begin)
    except (AssertionError, OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        results.add("fail", name, time.monotonic() - begin, detail=str(error), why=str(error))


def main():
    """Entry point."""
    if "KHO_METRICS_NET" not in os.environ:
        os.environ["KHO_METRICS_NET"] = "1"
        os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    (ROOT / "build/logs").mkdir(parents=True, exist_ok=True)
    serve, results = sys.argv[1], Results("metrics")
    for test in (text_format, alerts, alert_tests, picture):
        attempt(results, test.__name__.replace("_", "-"), test, serve)
    if schema_package().is_dir():
        attempt(results, "dashboard-schema", dashboard_schema, serve)
    else:
        results.add("skip", "dashboard-schema", detail="Grafana's schema isn't here: this machine has no "
                    "npm, or its registry didn't give it (mk/npm.sh)")
    attempt(results, "server", on_a_server, serve, results)
    return results.finish()


sys.exit(main())
