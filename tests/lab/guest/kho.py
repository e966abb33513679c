# SPDX-License-Identifier: GPL-2.0-only
"""What a spawned kernel with KHO has made of the control area, by /proc/kpageflags.

    kho.py flags        for the parts "tree" and "lanes": how many pages there are, how many
                        are free (in the page allocator's hands), and how many are in use by
                        anybody else (on an LRU list, a slab's, a page table's)
    kho.py type         memory type of the reserved part, if one mapping has all of it
    kho.py content      SHA-256 of the whole blob that debugfs shows of our tree
"""

import glob
import hashlib
import json
import re
import struct
import sys

PAGE = 4096
CONTROL_RECORD = 0x4d4c
TREE_AT = 0x110000
LRU, SLAB, BUDDY, PGTABLE = 5, 7, 10, 26  # include/uapi/linux/kernel-page-flags.h


def control():
    """start, keep and size, from the record in setup_data."""
    for path in glob.glob("/sys/kernel/boot_params/setup_data/*"):
        if int(open(f"{path}/type").read(), 0) == CONTROL_RECORD:
            return struct.unpack_from("<QQQ", open(f"{path}/data", "rb").read(), 8)
    raise SystemExit("no control record")


def flags(start, end):
    """Of the pages from start to end."""
    with open("/proc/kpageflags", "rb") as file:
        file.seek(start // PAGE * 8)
        words = struct.unpack(f"<{(end - start) // PAGE}Q", file.read((end - start) // PAGE * 8))
    used = 1 << LRU | 1 << SLAB | 1 << PGTABLE
    return {"pages": len(words), "free": sum(word >> BUDDY & 1 for word in words),
            "used": sum(bool(word & used) for word in words)}


def type_of(start, end):
    """As the kernel lists it: "PAT: [mem 0xSTART-0xEND] TYPE"."""
    for line in open("/sys/kernel/debug/x86/pat_memtype_list", encoding="ascii"):
        found = re.match(r"PAT: \[mem 0x([0-9a-f]+)-0x([0-9a-f]+)\] (\S+)", line)
        if found and int(found[1], 16) <= start and int(found[2], 16) >= end:
            return found[3]
    return "none"


if sys.argv[1] == "flags":
    base, keep, size = control()
    print(json.dumps({"tree": flags(base + TREE_AT, base + keep),
                      "lanes": flags(base + keep, base + size)}))
elif sys.argv[1] == "type":
    base, _, _ = control()
    print(type_of(base, base + TREE_AT))
else:
    data = open("/sys/kernel/debug/kho/in/sub_fdts/multikernel", "rb").read()
    print(len(data), hashlib.sha256(data).hexdigest())
