# SPDX-License-Identifier: GPL-2.0-only
"""Run in the guest: target images with one thing wrong, and raw calls to the module.

    refuse.py image GOOD DIR WHAT    copies the image GOOD to DIR and spoils or changes it
    refuse.py ioctl WHAT             prints the errno's name that the call fails with
"""

import errno
import fcntl
import hashlib
import os
import shutil
import struct
import sys

ABI = 1


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
    assert "\nkho = none\n" in text, text
    with open(path, "w", encoding="ascii") as out:
        out.write(text.replace("\nkho = none\n", f"\nkho = {version}\n"))


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
        os.truncate(initramfs, 700 << 20)
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


def call(number, size, payload):
    """The errno's name that an ioctl ends with, or OK."""
    request = 3 << 30 | size << 16 | 0xB7 << 8 | number
    arg = bytearray(payload.ljust(size, b"\0"))
    with open("/dev/multikernel", "r+b", buffering=0) as device:
        try:
            fcntl.ioctl(device, request, arg)
        except OSError as error:
            return errno.errorcode[error.errno]
    return "OK"


def header(size, abi=ABI, reserved=0):
    """struct mk_hdr"""
    return struct.pack("=IHH", size, abi, reserved)


def claim(ranges, kind=0):
    """MK_IOC_REGION_CLAIM: struct mk_region is 48 bytes and 32 ranges."""
    size = 8 + 4 + 4 + 8 + 8 + 4 + 4 + 32 * 16
    body = header(size) + struct.pack("=IIQQII", kind, 0, 0, 0, len(ranges), 0)
    for start, length in ranges:
        body += struct.pack("=QQ", start, length)
    return call(0x10, size, body)


def ioctls(what):
    """Calls that must fail, and how they do."""
    block = int(open("/sys/devices/system/memory/block_size_bytes", encoding="ascii").read(), 16)
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
