#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""A service that holds what can't move: the words of /var/lib/lab-stuck/holds.

Each start is noted in /var/lib/lab-stuck/starts, with the kernel's release.
"""

import ctypes
import os
import signal
import socket

FOLDER = "/var/lib/lab-stuck"
SYS_IO_URING_SETUP = 425
IPPROTO_MPTCP = 262


def io_uring():
    """A ring, mapped by nobody."""
    params = (ctypes.c_char * 128)()
    fd = ctypes.CDLL(None, use_errno=True).syscall(SYS_IO_URING_SETUP, 4, params)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "io_uring_setup")
    return fd


def stranger():
    """A connection to somebody else."""
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    peer.connect("/run/kho-agent/io.khoagent.Upgrade")
    return peer


def mptcp():
    """A socket that no checkpoint holds."""
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP)


def udp():
    """An ordinary one."""
    here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    here.bind(("127.0.0.1", 4711))
    return here


def hold(word):
    """What the word names; kept until the end."""
    try:
        if word.startswith("/"):
            return os.open(word, os.O_RDONLY)
        return {"io_uring": io_uring, "stranger": stranger, "mptcp": mptcp, "udp": udp}[word]()
    except OSError as error:
        print(f"{word}: {error}", flush=True)
        return None


def main():
    """Holds them until it's told to end."""
    with open(f"{FOLDER}/holds", encoding="ascii") as file:
        kept = [hold(word) for word in file.read().split()]
    with open(f"{FOLDER}/starts", "a", encoding="ascii") as file:
        file.write(os.uname().release + "\n")
    print(f"holds {len(kept)} things", flush=True)
    while True:
        signal.pause()


main()
