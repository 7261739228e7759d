"""Whether there is memory for a long result: it stands in this process, the engine host and the client at once, and a host
that runs out of memory is killed with all its engines.
"""

import os

# the client's limit for arguments is the same
OBJECT_LIMIT_BYTES = 4 << 30


def check(length):
    """Refuses a result of so many bytes if there is no room for it in the engine host.

    Raises
    ------
    MemoryError
    """
    if length > OBJECT_LIMIT_BYTES:
        raise MemoryError(told(length, "at most %s can be sent" % size(OBJECT_LIMIT_BYTES)))
    free = available()
    if free is not None and length > free:
        raise MemoryError(told(length, "%s has %s of memory left" % (os.uname().nodename, size(free))))


def told(length, why):
    return "the result takes %s when it is pickled, and %s: save it to a file and return its name" % (size(length), why)


def size(count):
    return "%.1f GB" % (count / 1e9) if count >= 1e8 else "%.1f MB" % (count / 1e6)


def available():
    """How many bytes this process and its engine host may take together; None if that is not known."""
    amounts = [amount for amount in (of_machine(), *of_groups()) if amount is not None]
    return min(amounts) if amounts else None


def of_machine():
    """proc_meminfo(5), which counts kibibytes."""
    for line in read("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return None


def of_groups():
    """What is left in the control groups of this process, of version 2 and 1 (cgroups(7)): that of a job, for example."""
    for line in read("/proc/self/cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0":
            yield from left("/sys/fs/cgroup", path, "memory.max", "memory.current", "inactive_file ")
        elif "memory" in controllers.split(","):
            names = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "
            yield from left("/sys/fs/cgroup/memory", path, *names)


def left(mount, path, limit_file, usage_file, cached):
    """Of a group and all above it: limit, less usage, not counting files in memory that can be dropped."""
    while True:
        group = mount + path.rstrip("/")
        limit, usage = read(group + "/" + limit_file).strip(), read(group + "/" + usage_file).strip()
        if limit.isdigit() and usage.isdigit():
            lines = read(group + "/memory.stat").splitlines()
            droppable = [int(line.split()[1]) for line in lines if line.startswith(cached)]
            yield max(0, int(limit) - int(usage) + sum(droppable))
        if path in ("", "/"):
            return
        path = os.path.dirname(path)


def read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""
