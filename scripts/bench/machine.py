"""What the numbers were measured on, and making that machine ready."""

import contextlib
import os
import platform
import subprocess
import time
from pathlib import Path


def describe(folder):
    """One line for the head of the table."""
    cpu = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "?")
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 1e6
    device = os.stat(folder).st_dev
    queue = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    ahead = next((f.read_text().strip() for f in (queue / "queue/read_ahead_kb", queue / "../queue/read_ahead_kb") if f.exists()), "?")
    return (f"{os.cpu_count()} × {cpu}, {memory:.0f} GB, Linux {platform.release()}, read-ahead {ahead} KiB, "
            f"fdatasync of 4 KiB appended {fdatasync_ms(folder):.2f} ms")


def fdatasync_ms(folder, count=200):
    """The median; durable rows stand and fall with it."""
    times = []
    path = Path(folder) / "fdatasync"
    with open(path, "wb", buffering=0) as file:
        for _ in range(count):
            file.write(bytes(4096))
            begin = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - begin) * 1000)
    path.unlink()
    return sorted(times)[count // 2]


def fault_in(folder, size):
    """Makes a virtual machine's balloon give its memory back: writes a file of this size and deletes it."""
    path = Path(folder) / "memory"
    with open(path, "wb", buffering=0) as file:
        for _ in range(0, size, 1 << 20):
            file.write(bytes(1 << 20))
    path.unlink()


@contextlib.contextmanager
def loop_disk(folder, gigabytes):
    """An ext4 file system of its own with the usual read-ahead of 128 KiB, in a file. Needs root.

    The disks of some virtual machines read 8 MiB ahead. Kafka maps 10 MiB of sparse index per segment twice, and each first
    touch then fills 8 MiB of memory with zeros: over 1,000 partitions that measures the memory, not the broker.
    """
    image, mount = Path(folder) / "disk.img", Path(folder) / "disk"
    mount.mkdir()
    with open(image, "wb") as file:
        file.truncate(gigabytes * 10**9)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    attached = subprocess.run(["losetup", "--find", "--show", "--direct-io=on", str(image)], check=True, text=True, stdout=subprocess.PIPE)
    device = attached.stdout.strip()
    try:
        subprocess.run(["blockdev", "--setra", "256", device], check=True)
        subprocess.run(["mount", device, str(mount)], check=True)
        try:
            yield mount
        finally:
            subprocess.run(["umount", str(mount)], check=True)
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)
        image.unlink()
