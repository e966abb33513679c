# SPDX-License-Identifier: GPL-2.0-only
"""A machine as data, and QEMU's command line for it.

Each disk and NIC is a PCI function of its own (modern virtio, MSI-X), since
functions are what passes between kernels. Everything is explicit: QEMU runs
without defaults.
"""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Disk:
    """A virtio disk. Made empty with a size in bytes or like "64M"; its
    serial is its name, so /dev/disk/by-id/virtio-NAME in the guest."""
    name: str
    size: str = "64M"
    behind_port: bool = False  # below a PCIe root port instead of on the root bus


@dataclass
class Nic:
    """A virtio NIC on a tap (net.Network.tap()), or on nothing."""
    tap: str | None = None
    mac: str = "52:54:00:00:00:01"
    behind_port: bool = False


# What makes a string instruction the quickest way to copy: QEMU goes through it byte by byte
_SLOW_HERE = "erms=off,fsrm=off,fsrs=off,fsrc=off,fzrm=off"


@dataclass
class MachineSpec:
    """What a machine is made of."""
    cpus: int = 4
    memory: str = "4G"
    cpu_model: str = "max"
    machine: str = "q35,sata=off,smbus=off,vmport=off"
    accel: str = "tcg,thread=multi"
    disks: list = field(default_factory=list)
    nics: list = field(default_factory=list)
    serials: int = 4
    image: Path | None = None  # a target image to boot instead of the disk, by boot_image()
    extra: list = field(default_factory=list)  # more arguments to QEMU


class CommandLine:
    """Builds the argument list for one machine whose files are in two folders:
    work (disks, logs) and run (sockets, whose paths have to be short)."""

    def __init__(self, spec, work, run):
        self.spec, self.work, self.run = spec, Path(work), Path(run)
        self.args = ["qemu-system-x86_64"]
        self._ports = 0

    def build(self, images, kernel, append):
        """All arguments; images is the folder with disk.img and the kernels."""
        self._base()
        if self.spec.image:
            self._boots(f"{self.spec.image}/vmlinuz", f"{self.spec.image}/initramfs.img", append)
            self.args += ["-gdb", f"unix:{self.run}/gdb,server=on,wait=off"]
        else:
            self._boots(f"{images}/{kernel}.vmlinuz", f"{images}/{kernel}.initrd", append)
            self._disk("root", self._overlay(images), False)
        self._characters()
        for disk in self.spec.disks:
            self._disk(disk.name, self._blank(disk), disk.behind_port)
        for number, nic in enumerate(self.spec.nics):
            self._nic(number, nic)
        self.args += self.spec.extra
        return self.args

    def _base(self):
        spec = self.spec
        self.args += ["-nodefaults", "-no-user-config", "-display", "none", "-S",
                      "-machine", spec.machine, "-accel", spec.accel,
                      "-cpu", f"{spec.cpu_model},{_SLOW_HERE}",
                      "-smp", str(spec.cpus), "-m", spec.memory,
                      "-qmp", f"unix:{self.run}/qmp,server=on,wait=off",
                      "-device", "virtio-rng-pci,disable-legacy=on"]

    def _boots(self, kernel, initrd, append):
        self.args += ["-kernel", kernel, "-initrd", initrd, "-append", append]

    def _characters(self):
        for number in range(self.spec.serials):
            self._socket(f"ttyS{number}")
            self.args += ["-serial", f"chardev:ttyS{number}"]
        self._socket("lab0")
        self.args += ["-device", "virtio-serial-pci,disable-legacy=on",
                      "-device", "virtserialport,chardev=lab0,name=lab0"]

    def _socket(self, name):
        self.args += ["-chardev", f"socket,id={name},path={self.run}/{name},server=on,wait=off,"
                                  f"logfile={self.work}/{name}.log"]

    def _bus(self, behind_port):
        if not behind_port:
            return "bus=pcie.0"
        self._ports += 1
        self.args += ["-device", f"pcie-root-port,id=port{self._ports},chassis={self._ports}"]
        return f"bus=port{self._ports}"

    def _disk(self, name, blockdev, behind_port):
        path, form = blockdev
        self.args += ["-drive", f"file={path},format={form},if=none,id={name},cache=unsafe,aio=threads"]
        bus = self._bus(behind_port)
        self.args += ["-device", f"virtio-blk-pci,drive={name},serial={name},disable-legacy=on,{bus}"]

    def _nic(self, number, nic):
        backend = f"tap,id=net{number},ifname={nic.tap},script=no,downscript=no" if nic.tap \
            else f"hubport,id=net{number},hubid={number}"
        self.args += ["-netdev", backend]
        bus = self._bus(nic.behind_port)
        self.args += ["-device", f"virtio-net-pci,netdev=net{number},mac={nic.mac},"
                                 f"disable-legacy=on,romfile=,{bus}"]

    def _disks(self):
        """In memory: a host that's busy writing lets guests' tasks stand for seconds."""
        return self.work if os.environ.get("KEEP") else self.run

    def _overlay(self, images):
        path = self._disks() / "root.qcow2"
        path.unlink(missing_ok=True)
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw",
                        "-b", str(Path(images, "disk.img").resolve()), str(path)], check=True)
        return path, "qcow2"

    def _blank(self, disk):
        path = self._disks() / f"{disk.name}.img"
        if not path.exists():
            subprocess.run(["qemu-img", "create", "-q", "-f", "raw", str(path), disk.size], check=True)
        return path, "raw"
