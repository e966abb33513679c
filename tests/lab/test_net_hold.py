# SPDX-License-Identifier: GPL-2.0-only
"""Packets to service addresses are held and delivered later: clients only wait."""

from lib.net import Network
from lib.qemu import Nic
from lib.traffic import Driver, Flow, nic_function, serve

TIME_LIMIT = 400
TIMED = True
MAC = "52:54:00:77:00:0a"
V4, V6 = "10.77.0.10", "fd00::10"
SLACK_MS = 120  # of an emulated machine; a retransmission in 500 ms would cost 300 more
OVERTAKEN = 2 # packets: the end of holding


def numbers(shell, path):
    """What a sink received."""
    return [int(line) for line in shell.run(f"cat {path}").split()]


def flows_for(client, driver, seconds):
    """Two clients that ask all the time, connected."""
    flows = [Flow(client, "ask", address, port, seconds) for address, port in ((V4, 7), (V6, 8))]
    driver.shell.wait_until("test $(ss -Htn state established | grep -c ':[78] ') = 2", 20,
                            "connections")
    return flows


def window(lab, client, driver, milliseconds):
    """Two holds under traffic; returns what the clients say, and the length of the longer one."""
    results, lengths, before = [], [], 0
    for word in ("window", "again"):
        flows = flows_for(client, driver, 5)
        lengths.append(int(driver.ask(word, milliseconds)))
        results += [flow.finish() for flow in flows]
        held, released, dropped = driver.counts()
        lab.step(f"held {held - before} packets for {lengths[-1]} ms: clients waited "
                 f"{' and '.join(str(r['longest_ms']) for r in results[-2:])} ms")
        assert held == released > before and dropped == 0, (held, released, dropped, before)
        before = held
    driver.ask("stop")
    return results, max(lengths)


def assert_whole(got, sent):
    """All came, once. One that comes into the queue just when that ends may be overtaken there."""
    assert sorted(got) == list(range(sent)), (sent, got)
    early = [number for place, number in enumerate(got) if number > place]
    assert len(early) <= OVERTAKEN, (early, got)


def test(lab):
    """Short, long, killed, cleaned."""
    network = Network()
    client = network.client("client", "10.77.0.2/24", "fd00::2/64")
    machine = lab.machine(cpus=2, memory="1G", nics=[Nic(network.tap(), MAC)])
    with machine.boot("old") as old:
        function = nic_function(old, MAC)
        driver = Driver(old, function, f"{V4}/24", f"{V6}/64")
        driver.ask("add")
        driver.ask("add")
        lab.reactor.wait(lambda: "carrier" in driver.ask("nic"), 20, "carrier")
        for address, port in ((V4, 7), (V6, 8)):
            serve(old, "udp-sink", address, 9, f"/run/udp{port}")
            serve(old, "echo", address, port)
        old.wait_until("test $(ss -Hltn | grep -c ':[78] ') = 2", 20, "servers")

        for milliseconds in (150, 500):
            results, length = window(lab, client, driver, milliseconds)
            for result in results:
                assert result["longest_ms"] < length + SLACK_MS and result["resets"] == 0, result

        sources = [Flow(client, "udp-source", address, 9, 4) for address in (V4, V6)]
        old.wait_until("test -s /run/udp7 -a -s /run/udp8", 20, "UDP packets")
        length = driver.ask("window", 1000)
        for source, path in zip(sources, ("/run/udp7", "/run/udp8")):
            sent = source.finish()
            assert_whole(numbers(old, path), sent)
        lab.step(f"no UDP packet lost or doubled in {length} ms ({driver.counts()})")
        driver.ask("stop")
        killed(lab, client, driver)


def killed(lab, client, driver):
    """A reader that's killed leaves packets dropped; the next one cleans up."""
    old = driver.shell
    assert driver.ask("leftovers") == "0"
    driver.ask("hold")
    driver.ask("mute")
    assert "held already" in driver.fails("hold") or "another program" in driver.fails("hold")
    old.run("kill -9 $(pidof lab-net)")
    reset = int(old.run("nstat -az TcpOutRsts | awk '/OutRsts/ {print $2}'"))
    flow = Flow(client, "ask", V4, 7, 1)
    lab.reactor.wait(lambda: old.call("nft list table ip kho_hold | grep -q 'packets [1-9]'").rc == 0,
                     20, "a dropped packet")
    driver = Driver(old, driver.function, f"{V4}/24", f"{V6}/64")
    assert driver.ask("leftovers") == "1"
    driver.ask("clean", 1)
    assert driver.ask("leftovers") == "0" and "kho" not in old.run("nft list ruleset")
    assert flow.finish()["resets"] == 0
    assert int(old.run("nstat -az TcpOutRsts | awk '/OutRsts/ {print $2}'")) == reset
    lab.step("a killed agent's rules dropped packets, were found and removed; no RST")
