"""What the numbers were measured on, and making that machine ready."""

import contextlib
import os
import platform
import subprocess
import time
from pathlib import Path


def describe(disk, raw):
    """One line for the head of the table; `raw` is the folder of rows that never run on a loop disk."""
    cpu = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "?")
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 1e6
    disks = f"{disk_line(disk)}" if disk == raw else f"{disk_line(disk)} (durable acks: {disk_line(raw)})"
    return f"{os.cpu_count()} × {cpu}, {memory:.0f} GB, Linux {platform.release()}, {disks}"


def disk_line(folder):
    device = os.stat(folder).st_dev
    queue = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/queue/read_ahead_kb")
    ahead = queue.read_text().strip() if queue.exists() else "?"
    return f"read-ahead {ahead} KiB, fdatasync of 4 KiB appended {fdatasync_ms(folder):.2f} ms"


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
    # Written, not only reserved: allocating blocks under way would double the cost of each fsync.
    subprocess.run(["dd", "if=/dev/zero", f"of={image}", "bs=1M", f"count={gigabytes * 1000}", "oflag=direct", "status=none"], check=True)
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
