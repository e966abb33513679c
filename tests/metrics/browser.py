# SPDX-License-Identifier: GPL-2.0-only
"""The status page in a real browser without a screen: Debian's headless Chromium, told what to do by
its DevTools protocol over two pipes (NUL after each message)."""

import base64
import json
import os
import re
import select
import struct
import subprocess
import time

from waiting import LIMIT, until

BROWSER = "chromium-headless-shell"
SIZE = (1200, 1600)


def _as_3_and_4(read, write):
    """In the child: the pipes are where the browser looks for them."""
    high = [os.dup(fd) for fd in (read, write)]
    high = [fd if fd > 4 else os.dup(fd) for fd in high]
    os.dup2(high[0], 3)
    os.dup2(high[1], 4)


class Browser:
    """A browser with one page."""

    def __init__(self, log):
        orders, self._orders = os.pipe()
        self._answers, answers = os.pipe()
        with open(log, "wb") as out:
            self.process = subprocess.Popen(
                [BROWSER, "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
                 f"--window-size={SIZE[0]},{SIZE[1]}"],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, close_fds=False,
                preexec_fn=lambda: _as_3_and_4(orders, answers))
        os.close(orders)
        os.close(answers)
        self._number, self._data, self._session = 0, b"", None
        target = self.order("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.order("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self._orders)
        os.close(self._answers)

    def _message(self, deadline):
        while b"\0" not in self._data:
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self._answers], [], [], left)[0], "no answer"
            more = os.read(self._answers, 1 << 20)
            assert more, "the browser has ended"
            self._data += more
        message, self._data = self._data.split(b"\0", 1)
        return json.loads(message)

    def order(self, method, **parameters):
        """Gives an order and returns what it results in."""
        self._number += 1
        order = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            order["sessionId"] = self._session
        os.write(self._orders, json.dumps(order).encode() + b"\0")
        deadline = time.monotonic() + LIMIT
        while True:
            answer = self._message(deadline)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def text(self, element):
        """Of the element with this id; "" while there's none."""
        node = self.order("Runtime.evaluate", returnByValue=True, expression=(
            f"(document.getElementById({json.dumps(element)}) || {{}}).innerText || ''"))
        return node["result"]["value"].strip()


def rounds_of(browser):
    """Which rounds the page's log tells of."""
    return [int(n) for n in re.findall(r"redis: round (\d+)", browser.text("log"))]


def follows(url, log):
    """Its own policy lets its script run, which shows each event once and in order."""
    with Browser(log) as browser:
        browser.order("Page.navigate", url=url)
        until("three events", lambda: len(rounds_of(browser)) >= 3, browser.process)
        rounds = rounds_of(browser)
        assert rounds == list(range(rounds[0], rounds[0] + len(rounds))), rounds
        assert browser.text("live") == "live", browser.text("live")
        assert int(browser.text("onlineCpus")) >= rounds[-1]
        assert "redis" in browser.text("workloads")


def without_script(url, log):
    """All is there as a table; nothing pretends to be live."""
    with Browser(log) as browser:
        browser.order("Emulation.setScriptExecutionDisabled", value=True)
        browser.order("Page.navigate", url=url)
        until("the table", lambda: "redis" in browser.text("workloads"), browser.process)
        assert browser.text("live") == "" and browser.text("phase") == "sync", browser.text("phase")


def picture(url, log, path):
    """For a human to look at; it has the window's size, and isn't of one colour."""
    with Browser(log) as browser:
        browser.order("Page.navigate", url=url)
        until("an event", lambda: rounds_of(browser), browser.process)
        data = base64.b64decode(browser.order("Page.captureScreenshot")["data"])
    path.write_bytes(data)
    assert data[:8] == b"\x89PNG\r\n\x1a\n" and struct.unpack(">II", data[16:24]) == SIZE
    assert len(data) > 20000, f"{len(data)} bytes are too few for a page"
