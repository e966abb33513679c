# SPDX-License-Identifier: GPL-2.0-only
"""A whole upgrade by one command. Outside of its time window it isn't begun, and a hook stops the
first one before its switch. The second one is aborted in its soak, after its agent was killed there:
all is as it was. The third one goes to its end, and the new kernel knows the history of all; the old
one has no BTF then, so most of what its probes would see isn't measured, and is told so. Clients
outside notice none of it."""

import json
from xml.etree import ElementTree

from lib.load import Load
from lib.service import machine_and_client, serve_redis
from lib.upgrade import IMAGES, memory_kib, status, wait_status

TIME_LIMIT = 800
ADDRESS = "10.77.0.10"
UPGRADE = (f"khoctl upgrade {IMAGES}/new-system --cpus=2-3 --memory=1536M "
           "--append=lab.port=ttyS1")


def wait_state(lab, shell, state, seconds):
    """Until the upgrade has come so far; an agent that was killed isn't there at once."""
    def there():
        result = shell.call("khoctl --json status")
        upgrade = json.loads(result.out).get("upgrade") if result.rc == 0 else {"state": "?"}
        return (upgrade["state"] if upgrade else None) == state
    lab.reactor.wait(there, seconds, f"upgrade in state {state}")


def history(shell):
    """Upgrades that are over, the newest first."""
    return json.loads(shell.run("khoctl --json history"))["upgrades"]


def names(upgrade):
    """Its phases, in order."""
    return [phase["name"] for phase in upgrade["phases"]]


def check_plan(lab, old):
    """It says what will be, and touches nothing."""
    memory = memory_kib(old)
    plan = json.loads(old.run(f"{UPGRADE} --dry-run --json"))
    assert plan["cpus"] == "2-3" and plan["memoryBytes"] == 1536 << 20, plan
    assert plan["newRelease"] == lab.release("new") and plan["workloads"] == ["redis"], plan
    assert memory_kib(old) == memory and old.run("nproc") == "4"
    assert old.call(f"khoctl plan {IMAGES}/new-system --cpus=0").rc == 3
    unneeded = json.loads(old.run(f"khoctl --json upgrade --if-needed {IMAGES}/old"))
    assert unneeded == {"needed": False, "release": lab.release("old")}, unneeded
    assert old.call("khoctl upgrade --if-needed /nowhere").rc == 3 and status(old)["phase"] == "idle"


def outside_windows(lab, old):
    """Not begun but with --now, which is in the audit."""
    day = old.run("date -d '3 days' +%a")
    old.run("mkdir -p /etc/kho-agent/kho-agent.conf.d")
    old.write_file("/etc/kho-agent/kho-agent.conf.d/windows.conf",
                   f"[Upgrade]\nWindows={day} 00:00-24:00\n")
    plan = json.loads(old.run(f"{UPGRADE} --dry-run --json"))
    assert f"begins {day} " in plan["outsideWindow"], plan
    refused = old.call(UPGRADE)
    assert refused.rc == 3 and "khoctl upgrade --now" in refused.out, refused
    assert not history(old) and status(old)["phase"] == "idle"
    lab.step(refused.out.strip())


def add_hook(old):
    """It notes each event, and is against the first switch."""
    old.run("mkdir -p /etc/kho-agent/hooks.d")
    old.write_file("/etc/kho-agent/hooks.d/10-note", """#!/bin/sh
echo "$1 $KHO_UPGRADE $KHO_NEW_RELEASE $KHO_MESSAGE" >>/run/hooks
test "$1" != pre-switch || ! rm /run/no-switch
""")
    old.run("chmod 755 /etc/kho-agent/hooks.d/10-note")


def stopped_by_hook(lab, old):
    """Before anything of the workload is touched; all is undone."""
    memory = memory_kib(old)
    old.run("touch /run/no-switch")
    stopped = old.call(f"khoctl upgrade {IMAGES}/new --cpus=2-3 --memory=1G --now", 180)
    assert stopped.rc == 1 and "stopped before the switch by a hook" in stopped.out, stopped
    assert status(old)["phase"] == "idle" and memory_kib(old) == memory
    last = history(old)[0]
    assert names(last) == ["check", "spawn", "reclaim"], last
    old.wait_until("grep -q ^failed /run/hooks", 30)
    before, after = old.run("cat /run/hooks; rm /run/hooks").splitlines()
    assert before.split() == ["pre-switch", last["id"], lab.release("new")], before
    assert after.startswith(f"failed {last['id']}") and "by a hook" in after, after
    audit = old.run("journalctl -F KHO_PARAMETERS")
    assert '"now":true' in audit, audit
    lab.step(last["result"])


def watch_lock(old):
    """Notes when logind has the agent's lock."""
    old.run_bg("until busctl call org.freedesktop.login1 /org/freedesktop/login1 "
               "org.freedesktop.login1.Manager ListInhibitors | grep kho-agent >/run/lock-seen; "
               "do sleep 0.2; done")


def check_told(lab, old):
    """What the journal has of the first upgrade, in fields; the lock came and went."""
    def fields(name):
        lines = old.run(f"journalctl -u kho-agent -o json --output-fields={name} | "
                        f"sed -n 's/.*\"{name}\":\"\\([^\"]*\\)\".*/\\1/p'").splitlines()
        return list(dict.fromkeys(lines))
    phases = fields("KHO_PHASE")
    assert {"preflight", "spawn", "sync", "switch", "commit", "soak", "idle"} <= set(phases), phases
    assert len(fields("MESSAGE_ID")) >= 4 and len(fields("KHO_UPGRADE")) == 2, fields("MESSAGE_ID")
    assert "shutdown:sleep" in old.run("cat /run/lock-seen")
    assert old.call("systemd-inhibit --list | grep kho-agent").rc != 0
    rss = int(old.run("sed -n 's/^VmRSS:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/$(pidof kho-agent)/status"))
    assert 0 < rss < 20 << 10, f"the agent has {rss} KiB after all that"
    shown = old.run("systemctl show -P StatusText kho-agent")
    assert shown.startswith("idle"), shown
    lab.step(f"the journal's phases: {', '.join(phases)}; status: {shown}; {rss} KiB")


def check_story(lab, old, new):
    """The new kernel tells of the upgrade without the old one's agent, which stands still."""
    own = status(old)["upgrade"]
    old.run("pkill -STOP -x kho-agent")
    told = status(new)["upgrade"]
    assert told["id"] == own["id"] and told["state"] == "soak" and "toldMs" in told, told
    assert "soakLeftMs" not in told and "step" not in told, told
    shown = json.loads(new.run(f"khoctl --json show {told['id'][:8]}"))
    assert names(shown) == ["check", "spawn", "move"] and '"soak"' in shown["result"], shown
    for line in new.run("khoctl status").splitlines():
        lab.step(line)
    old.run("pkill -CONT -x kho-agent")


def killed_and_aborted(lab, machine, old):
    """Up to the soak, and back."""
    memory, pid = memory_kib(old), old.run("systemctl show -P MainPID redis-server")
    check_plan(lab, old)
    watch_lock(old)
    old.run(f"{UPGRADE} --hold --no-wait --now", 60)
    # single commands would be in its way
    refused = old.call("khoctl move")
    assert refused.rc == 3 and "khoctl abort" in refused.out, refused
    wait_state(lab, old, "soak", 180)
    new = machine.shell("ttyS1", "new-system").wait_ready(60)
    assert new.run("systemctl show -P MainPID redis-server") == pid
    check_story(lab, old, new)
    old.run("systemctl kill -s KILL kho-agent")
    wait_state(lab, old, "soak", 60)
    lab.step("the agent was killed in the soak, and goes on")
    wait_status(lab, old, 60, connected=True)
    old.run("khoctl abort")
    wait_state(lab, old, None, 180)
    assert status(old)["phase"] == "idle" and memory_kib(old) == memory
    assert old.run("systemctl show -P MainPID redis-server") == pid
    assert old.run("cat /sys/devices/system/cpu/online") == "0-3"
    aborted = history(old)[0]
    assert aborted["result"].startswith("aborted by uid 0, khoctl"), aborted
    assert names(aborted)[:3] == ["check", "spawn", "move"] and "rollback" in names(aborted)
    lab.step(f"aborted: {', '.join(names(aborted))}")
    old.wait_until("grep -q ^failed /run/hooks", 30)
    events = [line.split()[0] for line in old.run("cat /run/hooks").splitlines()]
    assert events == ["pre-switch", "committed", "failed"], events
    check_told(lab, old)


def check_metrics(lab, new, shown):
    """All upgrades are counted in the new kernel, the last one with what it took."""
    lines = [line for line in new.run("khoctl metrics").splitlines() if not line.startswith("#")]
    seen = dict(line.rsplit(" ", 1) for line in lines)
    counts = {result: seen[f'kho_upgrades_total{{result="{result}"}}']
              for result in ("committed", "rolled-back", "failed")}
    assert counts == {"committed": "1", "rolled-back": "1", "failed": "1"}, counts
    frozen = float(seen['kho_last_upgrade_frozen_seconds{workload="redis"}'])
    blackout = float(seen["kho_last_upgrade_blackout_seconds"])
    assert frozen == shown["move"]["workloads"][0]["frozen_ms"] / 1000 <= blackout, (frozen, blackout)
    assert seen['kho_last_upgrade_result{kho_last_upgrade_result="committed"}'] == "1"
    assert float(seen["kho_upgrade_blackout_seconds_count"]) == 2
    lab.step(f"metrics: blackout {blackout} s, redis frozen {frozen} s")


def check_picture(new, shown):
    """Rounds and the freeze are bars of the picture, to the millisecond."""
    tree = ElementTree.fromstring(new.run(f"khoctl show {shown['id']} --svg"))
    begin, bars = 0, set()
    for element in tree.iter():
        begin = int(element.get("data-begin", begin))
        if element.get("data-name"):
            bars.add((element.get("class"), begin + int(element.get("x")), int(element.get("width"))))
    shift = shown["move"]["began_ms"] - shown["began_ms"]
    redis, = shown["move"]["workloads"]
    wanted = {("frozen", redis["frozen_start_ms"] + shift, redis["frozen_ms"])}
    wanted |= {("round", start + shift, ms)
               for start, ms in zip(redis["round_start_ms"], redis["round_ms"])}
    wanted |= {("phase", phase["start_ms"], phase["duration_ms"]) for phase in shown["phases"]}
    assert len(redis["round_ms"]) == redis["rounds"] and wanted <= bars, (wanted - bars, bars)


def hide_btf(old):
    """As on a kernel that was built without."""
    old.run("mount -t tmpfs none /sys/kernel/btf && ! ls /sys/kernel/btf/vmlinux")


def check_half_measured(move):
    """What needs no BTF, and what the new kernel sees, is there; the rest is missing, not 0."""
    seen = move["workloads"][0]["measured"]
    missing = {reason["what"]: reason["why"] for reason in seen["not_measured"]}
    assert missing.keys() == {"frozen"} and "frozen_us" not in seen, seen
    assert "old kernel: this kernel has no /sys/kernel/btf/vmlinux" in missing["frozen"], missing
    assert seen["silent_us"] > 0 and seen["first_syscall_us"] >= 0 and seen["faults"]["count"] > 0, seen
    address = move["addresses"][0]
    assert "old" not in address and address["new"]["resets_sent"] == 0, address
    assert address["not_measured"][0]["what"] == "old", address


def to_the_end(lab, machine, old):
    """Nobody has to say anything between its beginning and its end."""
    old.run("rm /etc/kho-agent/kho-agent.conf.d/windows.conf")
    hide_btf(old)
    old.start(f"{UPGRADE} --soak=1")
    new = machine.shell("ttyS1", "new-system").wait_ready(120)
    wait_status(lab, new, 300, phase="idle")
    committed, aborted, stopped = history(new)
    assert "by a hook" in stopped["result"], stopped
    assert committed["result"] == "committed" and "aborted" in aborted["result"], committed
    assert names(committed) == ["check", "spawn", "move", "soak"], committed
    shown = json.loads(new.run(f"khoctl --json show {committed['id'][:8]}"))
    assert shown["move"]["result"] == "committed"
    check_metrics(lab, new, shown)
    check_picture(new, shown)
    check_half_measured(shown["move"])
    for line in new.run(f"khoctl history; khoctl show {committed['id']}").splitlines():
        lab.step(line)
    return new


def test(lab):
    """Both, with ten connections from the first to the last."""
    machine, client = machine_and_client(lab, "10.77.0.2/24")
    with machine.boot("old") as old:
        serve_redis(old, ADDRESS)
        load = Load(lab, client, "--redis", f"{ADDRESS}:6379", "--connections", "10")
        outside_windows(lab, old)
        add_hook(old)
        stopped_by_hook(lab, old)
        killed_and_aborted(lab, machine, old)
        new = to_the_end(lab, machine, old)
        seen = load.settle()
        lab.step(f"clients: {seen}")
        assert seen["opened"] == seen["kept"] == 10 and seen["reset"] == 0, seen
        assert seen["lost"] == 0 and seen["wrong"] == 0, seen
        assert new.run("nproc") == "4" and machine.resets() == 0
