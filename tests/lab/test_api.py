# SPDX-License-Identifier: GPL-2.0-only
"""Who may ask the agent for what, who did is in the journal, and what's under way can be
watched: by messages while it happens, and on a terminal. Whoever watches stops nothing."""

import json
from pathlib import Path

from lib.upgrade import IMAGES, status, wait_status

GROUP, MEMBER, OUTSIDER = 7000, 7001, 7002
DENIED = 8
TTY = "/run/watch_tty.py"
SPAWN = f"khoctl spawn {IMAGES}/new --cpus=2-3 --memory=1G --append=lab.port=ttyS1"
TEXTFILE = "/run/prom/kho.prom"
METRICS_SOCKET = "/run/kho-agent/metrics.sock"
READ_SOCKET = f"""import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect('{METRICS_SOCKET}')
sys.stdout.write(s.makefile().read())"""
READ_HTTP = """import sys, urllib.request
sys.stdout.write(urllib.request.urlopen('http://127.0.0.1:9786/metrics', timeout=20).read().decode())"""
READ_EVENTS = """import sys, urllib.request
for line in urllib.request.urlopen('http://127.0.0.1:9786/events', timeout=200):
    sys.stdout.write(line.decode())
"""
WAYS = {"method": "khoctl metrics", "socket": f"python3 -c \"{READ_SOCKET}\"",
        "http": f"python3 -c \"{READ_HTTP}\"", "file": f"cat {TEXTFILE}"}
SOCKET = "/run/kho-agent/io.khoagent.Upgrade"


def call_as(old, user, command, groups="--clear-groups"):
    """Of a user that needs no name."""
    return old.call(f"setpriv --reuid={user} --regid={user} {groups} {command}")


def as_member(old, command):
    """Who has the group beside its own one."""
    return call_as(old, MEMBER, command, f"--groups={GROUP}")


def audit(old, **fields):
    """Entries of the journal with these fields."""
    words = " ".join(f"{name}={value}" for name, value in fields.items())
    lines = old.run(f"journalctl --no-pager -o json KHO_AUDIT=1 {words}").splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def root_alone(old):
    """As long as no group is configured."""
    assert old.run(f"stat -c '%a %U %G' {SOCKET}") == "660 root root"
    for result in (as_member(old, "khoctl status"), call_as(old, OUTSIDER, "khoctl status")):
        assert result.rc == DENIED and "ReadGroup=" in result.out, result


def with_a_group(lab, old):
    """Members look, and change nothing; others don't even look."""
    old.run(f"echo 'khoops:x:{GROUP}:' >>/etc/group; mkdir -p /etc/kho-agent; "
            "printf '[API]\\nReadGroup=khoops\\n' >/etc/kho-agent/kho-agent.conf; "
            "khoctl config check; systemctl reload kho-agent")
    wait_status(lab, old, 30, phase="idle")
    assert old.run(f"stat -c '%a %U %G' {SOCKET}") == "660 root khoops"
    for command in ("status", "--json status", "history", "watch --until-over"):
        result = as_member(old, f"khoctl {command}")
        assert result.rc == 0, result
    for command in (SPAWN, "khoctl reclaim", "khoctl console", f"khoctl plan {IMAGES}/new"):
        result = as_member(old, command)
        assert result.rc == DENIED and "run it as root" in result.out, result
    result = call_as(old, OUTSIDER, "khoctl status")
    assert result.rc == DENIED, result
    denied = audit(old, KHO_RESULT="denied", KHO_UID=MEMBER)
    assert [entry["KHO_METHOD"] for entry in denied] == ["Spawn", "Reclaim", "Console", "Plan"], denied
    assert denied[0]["KHO_COMM"] == "khoctl" and int(denied[0]["KHO_PID"]) > 0, denied[0]
    assert f"denied to uid {MEMBER}" in denied[0]["MESSAGE"], denied[0]
    lab.step(denied[0]["MESSAGE"])


def metrics_text(old, command):
    """As samples: name with labels, and value."""
    lines = [line for line in old.run(command).splitlines() if not line.startswith("#")]
    return dict(line.rsplit(" ", 1) for line in lines)


def metrics_by_all_ways(lab, old):
    """The same by method, socket, HTTP and file; each by its rules."""
    old.run("mkdir -p /run/prom; printf '[API]\\nReadGroup=khoops\\n[Metrics]\\nListen=9786\\n"
            f"TextFile={TEXTFILE}\\n' >/etc/kho-agent/kho-agent.conf; khoctl config check; "
            "systemctl reload kho-agent")
    wait_status(lab, old, 30, phase="idle")
    sizes = {way: len(metrics_text(old, command)) for way, command in WAYS.items()}
    assert len(set(sizes.values())) == 1 and sizes["method"] > 20, sizes
    seen = metrics_text(old, WAYS["http"])
    assert seen['kho_phase{kho_phase="idle"}'] == "1" and seen['kho_cpus{state="lent"}'] == "0", seen
    assert old.run("khoctl metrics --openmetrics").endswith("# EOF")
    assert old.run(f"stat -c '%a %U %G' {METRICS_SOCKET}") == "660 root khoops"
    assert as_member(old, "khoctl metrics").rc == 0
    assert call_as(old, OUTSIDER, "khoctl metrics").rc == DENIED
    assert call_as(old, OUTSIDER, f"python3 -c \"{READ_SOCKET}\"").rc != 0
    lab.step(f"metrics: {sizes}")


def metrics_follow(old):
    """The file, which nobody asks for, has what's so since the spawn."""
    seen = metrics_text(old, WAYS["file"])
    assert seen['kho_phase{kho_phase="sync"}'] == "1" and seen['kho_cpus{state="lent"}'] == "2", seen
    assert seen['kho_channel_state{kho_channel_state="up"}'] == "1", seen
    seen = metrics_text(old, WAYS["http"])
    assert int(seen['kho_channel_messages_total{direction="in"}']) > 0, seen
    assert seen['kho_owner{kho_owner="here"}'] == "1" and "kho_owner_epoch" in seen, seen


def fetch(old, path):
    """A page of the agent's."""
    return old.run(f"python3 -c \"{READ_HTTP.replace('/metrics', path)}\"")


def status_page(old):
    """Whole without a script; nothing but reading is possible."""
    page = fetch(old, "/")
    assert '<td id="phase">idle</td>' in page and "none yet" in page, page
    assert "EventSource" in fetch(old, "/page.js") and "#log" in fetch(old, "/page.css")
    refused = READ_HTTP.replace("/metrics'", "/', b'x'")
    assert "405" in old.call(f"python3 -c \"{refused}\"").out
    old.write_file("/run/read_events.py", READ_EVENTS.encode())
    old.run("systemd-run --unit=events -p StandardOutput=file:/run/events.json python3 -u "
            "/run/read_events.py")
    old.wait_until("grep -q idle /run/events.json", 30, "the first event")


def events_follow(lab, old):
    """Each phase of the spawn was told, and nothing is while nobody reads."""
    lab.reactor.wait(lambda: '"phase":"sync"' in old.run("cat /run/events.json"), 30, "sync, told")
    told = [json.loads(line[6:]) for line in old.run("cat /run/events.json").splitlines()
            if line.startswith("data: ")]
    phases = [state["phase"] for state in told]
    assert [p for n, p in enumerate(phases) if n == 0 or phases[n - 1] != p] == \
        ["idle", "reserve", "spawn", "sync"], phases
    assert '<td id="phase">sync</td>' in fetch(old, "/")
    old.run("systemctl stop events")


def watched_spawn(lab, old):
    """Its phases are told as they happen, to a member as well, and root's word is noted."""
    old.run("systemd-run --unit=watcher -p StandardOutput=file:/run/watched.json setpriv "
            f"--reuid={MEMBER} --regid={MEMBER} --groups={GROUP} khoctl watch --json")
    old.wait_until("test -s /run/watched.json", 30, "the first message")
    old.run(SPAWN, 180)
    lab.reactor.wait(lambda: '"phase":"sync"' in old.run("cat /run/watched.json"), 30, "sync")
    assert old.run("systemctl is-active watcher") == "active"
    old.run("systemctl stop watcher")
    messages = [json.loads(line) for line in old.run("cat /run/watched.json").splitlines()]
    phases = [message["phase"] for message in messages]
    seen = [phase for n, phase in enumerate(phases) if n == 0 or phases[n - 1] != phase]
    assert seen == ["idle", "reserve", "spawn", "sync"], seen
    log = [line["text"] for message in messages for line in message["log"]]
    assert any(line.startswith("hello from ") for line in log), log
    lab.step(f"{len(messages)} messages: {', '.join(seen)}")
    asked, = audit(old, KHO_RESULT="asked", KHO_METHOD="Spawn")
    assert asked["KHO_UID"] == "0" and f"{IMAGES}/new" in asked["KHO_PARAMETERS"], asked
    assert old.call(SPAWN).rc == 3
    refused, = audit(old, KHO_RESULT="refused", KHO_METHOD="Spawn")
    assert "under way" in refused["KHO_CAUSE"], refused


def on_a_terminal(lab, old):
    """It draws, takes a new size, and q ends it; the spawn that it has watched goes on."""
    seen = json.loads(old.run(f"python3 {TTY} '[sync]'", 120))
    assert seen == {"exit": 0, "colors": True, "bottom": True, "left": True}, seen
    old.run("khoctl reclaim")
    seen = json.loads(old.run(f"NO_COLOR=1 python3 {TTY} '[idle]'", 120))
    assert seen["exit"] == 0 and not seen["colors"], seen
    old.run(f"systemd-run --unit=spawning {SPAWN}")
    seen = json.loads(old.run(f"python3 {TTY} '[spawn]'", 120))
    lab.step(f"on a terminal: {seen}")
    assert seen["exit"] == 0 and status(old)["phase"] in ("spawn", "sync"), seen
    wait_status(lab, old, 120, phase="sync")
    # no terminal
    assert "phase: sync" in old.run("khoctl watch --until-over </dev/null | cat")
    old.run("khoctl reclaim")


def test(lab):
    """All of it, on one machine."""
    machine = lab.machine()
    with machine.boot("old") as old:
        old.write_file(TTY, (Path(__file__).parent / "guest/watch_tty.py").read_bytes())
        root_alone(old)
        with_a_group(lab, old)
        metrics_by_all_ways(lab, old)
        status_page(old)
        watched_spawn(lab, old)
        metrics_follow(old)
        events_follow(lab, old)
        on_a_terminal(lab, old)
        assert machine.resets() == 0
