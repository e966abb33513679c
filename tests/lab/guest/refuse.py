# SPDX-License-Identifier: GPL-2.0-only
"""Run in the guest: target images with one thing wrong, and raw calls to the module.

    refuse.py image GOOD DIR WHAT    copies the image GOOD to DIR and spoils or changes it
    refuse.py ioctl WHAT             prints the errno's name that the call fails with, or several
"""

import contextlib
import errno
import fcntl
import glob
import hashlib
import mmap
import os
import re
import shutil
import struct
import sys

ABI = 1
MEMORY = "/sys/devices/system/memory"
MK_CLAIM, MK_RELEASE, MK_LINK, MK_RING, MK_UNLINK = 0x10, 0x12, 0x30, 0x31, 0x32
REGION_SIZE = 8 + 4 + 4 + 8 + 8 + 4 + 4 + 32 * 16  # struct mk_region: 40 bytes and 32 ranges
LINK_SIZE, RING_SIZE = 32, 16
OWN, PEER = 0, 4096  # status pages of a block that's used as a region
DOORBELL = 16  # offset in a status page


def manifest(folder):
    """Writes the digests anew: what's wrong must be found behind them."""
    path = os.path.join(folder, "manifest")
    lines = []
    for line in open(path, encoding="ascii").read().splitlines():
        name = line.split(" = ")[0]
        if name in ("vmlinuz", "initramfs.img", "cmdline"):
            data = open(os.path.join(folder, name), "rb").read()
            line = f"{name} = {hashlib.sha256(data).hexdigest()} {len(data)}"
        lines.append(line)
    with open(path, "w", encoding="ascii") as out:
        out.write("\n".join(lines) + "\n")


def patch(folder, offset, data):
    """Overwrites bytes of the kernel."""
    with open(os.path.join(folder, "vmlinuz"), "r+b") as kernel:
        kernel.seek(offset)
        kernel.write(data)


def strip_signature(folder):
    """Leaves a kernel that nobody has signed."""
    path = os.path.join(folder, "vmlinuz")
    with open(path, "r+b") as kernel:
        kernel.seek(0x3c)
        entry = struct.unpack("<I", kernel.read(4))[0] + 24 + 112 + 4 * 8
        kernel.seek(entry)
        table = struct.unpack("<I", kernel.read(4))[0]
        kernel.seek(entry)
        kernel.write(bytes(8))
    os.truncate(path, table)


def append(folder, text):
    """To the image's own command line."""
    with open(os.path.join(folder, "cmdline"), "r+", encoding="ascii") as out:
        line = out.read().strip()
        out.seek(0)
        out.write(f"{line} {text}\n")


def kho_version(folder, version):
    """Makes the manifest say another one."""
    path = os.path.join(folder, "manifest")
    text = open(path, encoding="ascii").read()
    text, count = re.subn(r"\nkho = [\w-]+\n", f"\nkho = {version}\n", text)
    assert count == 1, text
    with open(path, "w", encoding="ascii") as out:
        out.write(text)


def spoil(folder, what):
    """One of the ways an image can be wrong."""
    kernel, initramfs = (os.path.join(folder, n) for n in ("vmlinuz", "initramfs.img"))
    if what == "truncated":
        os.truncate(kernel, os.path.getsize(kernel) // 2)
    elif what == "not-a-kernel":
        patch(folder, 0x202, b"XXXX")
    elif what == "32-bit":
        patch(folder, 0x236, b"\0\0")
    elif what == "other-machine":
        with open(kernel, "wb") as out:
            out.write(b"MZ" + bytes(54) + b"ARM\x64" + bytes(4096))
    elif what == "empty-initramfs":
        os.truncate(initramfs, 0)
    elif what == "large-initramfs":
        os.truncate(initramfs, 1000 << 20)
    elif what == "long-command-line":
        with open(os.path.join(folder, "cmdline"), "w", encoding="ascii") as out:
            out.write("x" * 3000 + "\n")
    elif what == "signed":
        shutil.copyfile("/usr/lib/kho-lab/vmlinuz.signed", kernel)
    elif what == "unsigned":
        strip_signature(folder)
    elif what == "tampered":
        patch(folder, 1 << 20, b"flipped")
    elif what == "other-kho":
        kho_version(folder, "kho-v9")
    elif what.startswith("append="):
        append(folder, what.partition("=")[2])
    if what == "corrupt":
        patch(folder, 1 << 20, b"flipped")
    elif what == "corrupt-initramfs":
        with open(initramfs, "r+b") as out:
            out.seek(1 << 20)
            out.write(b"flipped")
    else:
        manifest(folder)


def read(path):
    """All of a text file."""
    with open(path, encoding="ascii") as file:
        return file.read()


def write(path, text):
    """To a file of sysfs or procfs."""
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def ioctl(number, size, payload):
    """The argument as the module leaves it; OSError if it refuses."""
    request = 3 << 30 | size << 16 | 0xB7 << 8 | number
    arg = bytearray(payload.ljust(size, b"\0"))
    with open("/dev/multikernel", "r+b", buffering=0) as device:
        fcntl.ioctl(device, request, arg)
    return arg


def call(number, size, payload):
    """The errno's name that an ioctl ends with, or OK."""
    try:
        ioctl(number, size, payload)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "OK"


def header(size, abi=ABI, reserved=0):
    """struct mk_hdr"""
    return struct.pack("=IHH", size, abi, reserved)


def region_argument(ranges, kind=0, region=0):
    """struct mk_region"""
    body = header(REGION_SIZE) + struct.pack("=IIQQII", kind, region, 0, 0, len(ranges), 0)
    return body + b"".join(struct.pack("=QQ", *one) for one in ranges)


def claim(ranges, kind=0):
    """What a claim ends with."""
    return call(MK_CLAIM, REGION_SIZE, region_argument(ranges, kind))


def block_size():
    """Of memory blocks."""
    return int(read(f"{MEMORY}/block_size_bytes"), 16)


class Block:
    """A memory block that's taken offline, and is online again in the end."""

    def __init__(self, claimed=True):
        self._claimed, self._number = claimed, self._take_offline()
        self.path, self.region, self._offset = f"{MEMORY}/memory{self._number}", 0, 0

    @staticmethod
    def _take_offline():
        numbers = [int(path.rpartition("memory")[2]) for path in glob.glob(f"{MEMORY}/memory*")]
        for number in sorted(numbers, reverse=True):
            state = f"{MEMORY}/memory{number}/state"
            if read(state).strip() == "online":
                with contextlib.suppress(OSError):
                    write(state, "offline")
                    return number
        raise SystemExit("no memory block goes offline")

    def __enter__(self):
        if self._claimed:
            self.claim()
        return self

    def __exit__(self, *_):
        if self.region:
            self.release()
        # it's an error to online what is online
        if read(f"{self.path}/state").strip() != "online":
            write(f"{self.path}/state", "online")

    def claim(self):
        """Makes a region of it."""
        size = block_size()
        arg = ioctl(MK_CLAIM, REGION_SIZE, region_argument([(self._number * size, size)]))
        self.region, self._offset = struct.unpack_from("=IQ", arg, 12)

    def release(self):
        """Lets go of the region."""
        ioctl(MK_RELEASE, REGION_SIZE, region_argument([], region=self.region))
        self.region = 0

    def map(self):
        """Both status pages."""
        with open("/dev/multikernel", "r+b", buffering=0) as device:
            return mmap.mmap(device.fileno(), 2 * mmap.PAGESIZE, offset=self._offset)

    def link(self):
        """Its first two pages are status pages from now on."""
        ioctl(MK_LINK, LINK_SIZE, header(LINK_SIZE)
              + struct.pack("=IiQQ", self.region, -1, OWN, PEER))

    def _ring_argument(self):
        return header(RING_SIZE) + struct.pack("=II", self.region, 0)

    def unlink(self):
        """They're memory like all else."""
        ioctl(MK_UNLINK, RING_SIZE, self._ring_argument())

    def ring(self):
        """What it ends with to ring the peer."""
        return call(MK_RING, RING_SIZE, self._ring_argument())


def doorbells():
    """What it ends with to ring: all CPUs, this kernel's own, nobody."""
    valid, vector = 1 << 63, 0x30 << 32
    ends = []
    with Block() as block, block.map() as pages:
        block.link()
        for word in (valid | vector | 0xffffffff, valid | vector, 0):
            struct.pack_into("<Q", pages, PEER + DOORBELL, word)
            ends.append(block.ring())
        block.unlink()
    return " ".join(ends)


def ioctls(what):
    """Calls that must fail, and how they do."""
    block = block_size()
    cpu_start = 8 + 4 * 4 + 8 * 4
    cases = {
        "abi": lambda: call(0, 136, header(136, abi=99)),
        "reserved": lambda: call(0, 136, header(136, reserved=1)),
        "short": lambda: call(0, 136, header(16)),
        "no-range": lambda: claim([]),
        "unaligned": lambda: claim([(block * 9 + 4096, block)]),
        "wraps": lambda: claim([((1 << 64) - block, 2 * block)]),
        "online": lambda: claim([(block, block)]),
        "not-ram": lambda: claim([(1 << 38, block)]),
        "overlap": lambda: claim([(block * 9, 2 * block), (block * 10, block)]),
        # no kernel without KHO has preserved anything
        "not-preserved": lambda: claim([(block, block)], kind=2),
        "unknown-kind": lambda: claim([(block, block)], kind=3),
        "cpu-unknown": lambda: call(0x20, cpu_start, header(cpu_start) + struct.pack(
            "=IIII", 4000, 0, 1, 100)),
        "cpu-online": lambda: call(0x20, cpu_start, header(cpu_start) + struct.pack(
            "=IIII", 1, 0, 1, 100)),
        "doorbells": doorbells,
        "unknown-call": lambda: call(0x7f, 8, header(8)),
    }
    return cases[what]()


def main():
    """Dispatch."""
    if sys.argv[1] == "image":
        good, folder, what = sys.argv[2:]
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(good, folder)
        spoil(folder, what)
    else:
        print(ioctls(sys.argv[2]))


if __name__ == "__main__":
    main()
