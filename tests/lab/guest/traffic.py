#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Traffic for tests of the network, on both sides: numbered UDP packets, a TCP echo.

    traffic.py udp-sink ADDRESS PORT FILE           numbers that came, one a line
    traffic.py udp-source ADDRESS PORT SECONDS      prints how many were sent
    traffic.py echo ADDRESS PORT
    traffic.py ask ADDRESS PORT SECONDS             a closed loop; prints JSON
"""

import json
import socket
import struct
import sys
import time

SO_RCVBUFFORCE = 33
INTERVAL = 0.005
MESSAGE = 64


def make_socket(address, kind):
    """A socket of the address's family."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return sock


def udp_sink(address, port, path):
    """Writes the number of each packet."""
    sock = make_socket(address, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    sock.bind((address, int(port)))
    with open(path, "w", encoding="ascii") as out:
        while True:
            out.write(f"{struct.unpack('!I', sock.recv(2000)[:4])[0]}\n")
            out.flush()


def udp_source(address, port, seconds):
    """Sends a packet each INTERVAL."""
    sock = make_socket(address, socket.SOCK_DGRAM)
    begin, number = time.monotonic(), 0
    while time.monotonic() < begin + float(seconds):
        sock.sendto(struct.pack("!I", number) + bytes(196), (address, int(port)))
        number += 1
        time.sleep(max(0, begin + number * INTERVAL - time.monotonic()))
    print(number)


def serve(sock):
    """Sends back what comes."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := sock.recv(65536):
        sock.sendall(data)


def echo(address, port):
    """Echoes one connection after the other."""
    listener = make_socket(address, socket.SOCK_STREAM)
    listener.bind((address, int(port)))
    listener.listen()
    while True:
        sock, _ = listener.accept()
        serve(sock)
        sock.close()


def counters():
    """TCP's counters of this network namespace."""
    with open("/proc/net/snmp", encoding="ascii") as snmp:
        names, values = [line.split()[1:] for line in snmp if line.startswith("Tcp:")]
    return dict(zip(names, map(int, values)))


def receive(sock, size):
    """Exactly so many bytes."""
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise EOFError("the server closed the connection")
        data += more
    return data


def ask(address, port, seconds):
    """Asks and waits for the answer, again and again."""
    sock = make_socket(address, socket.SOCK_STREAM)
    sock.connect((address, int(port)))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.settimeout(60)
    before, begin, number, longest = counters(), time.monotonic(), 0, 0.0
    while time.monotonic() < begin + float(seconds):
        start, message = time.monotonic(), struct.pack("!I", number) + bytes(MESSAGE - 4)
        sock.sendall(message)
        if receive(sock, MESSAGE) != message:
            raise ValueError(f"another answer than what was asked, at {number}")
        longest = max(longest, time.monotonic() - start)
        number += 1
        time.sleep(INTERVAL)
    after = counters()
    print(json.dumps({"answers": number, "longest_ms": round(longest * 1000),
                      "retransmitted": after["RetransSegs"] - before["RetransSegs"],
                      "resets": after["EstabResets"] - before["EstabResets"]}))


COMMANDS = {"udp-sink": udp_sink, "udp-source": udp_source, "echo": echo, "ask": ask}
COMMANDS[sys.argv[1]](*sys.argv[2:])
