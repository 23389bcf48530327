"""The history of a consumer group: what its members told (README.md, "The members of a program"), and what must hold in it."""

import collections
from dataclasses import dataclass, field

FOREVER = float("inf")
DEEDS = ("killed", "stopped", "interrupted", "replaced", "reset")
# Errors that tell a member that it is out of the group: ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID,
# FENCED_MEMBER_EPOCH, UNRELEASED_INSTANCE_ID.
OUT_CODES = {"22", "25", "82", "110", "111"}


@dataclass
class Event:
    """One line of a member, or one deed of the harness to it: killed, stopped, interrupted (the broker went away), replaced
    (another one comes with its instance id), reset. Times are microseconds since 1970."""
    member: str
    kind: str
    at: int
    begun: int = 0  # of `committed`: when it was asked for
    generation: int | None = None
    partitions: list = field(default_factory=list)
    offsets: dict = field(default_factory=dict)  # partition to offset
    first: int = 0
    last: int = 0
    code: str = "-"
    text: str = ""
    values: list = field(default_factory=list)  # of `values`: (offset, value)
    outcome: str = ""  # of `looped`: commit or abort


@dataclass
class Problem:
    kind: str
    text: str

    def __str__(self):
        return f"{self.kind}: {self.text}"


class Malformed(Exception):
    pass


def parse_options(words):
    return dict(word.split("=", 1) for word in words)


def parse_list(text):
    return [item for item in text.split(",") if item]


def parse_offsets(text):
    """`topic:0:17:metadata,...` as {`topic:0`: (17, metadata)}."""
    found = {}
    for item in parse_list(text):
        topic, number, offset, *metadata = item.split(":", 3)
        found[f"{topic}:{number}"] = (int(offset), metadata[0] if metadata else "")
    return found


def parse_event(member, kind, words):
    try:
        given = parse_options(words)
        event = Event(member, kind, int(given["t"]))
        if kind == "records":
            event.partitions, event.first, event.last = [given["part"]], int(given["first"]), int(given["last"])
        elif kind == "committed":
            event.begun = int(given["s"])
            event.offsets = {name: offset for name, (offset, _) in parse_offsets(given["offsets"]).items()}
        elif kind == "error":
            event.code, event.text = given.get("code", "-"), given.get("text", "")
        elif kind == "values":
            event.partitions = [given["part"]]
            event.values = [tuple(map(int, item.split("="))) for item in parse_list(given["values"])]
        elif kind == "looped":
            event.outcome = given["outcome"]
        elif kind in ("assigned", "revoked", "lost", *DEEDS):
            event.partitions = parse_list(given.get("parts", ""))
            generation = given.get("gen", "-")
            event.generation = int(generation) if generation != "-" else None
        else:
            raise Malformed(f"no event {kind}")
        return event
    except (KeyError, ValueError) as error:
        raise Malformed(f"@{member} {kind} {' '.join(words)}: {error!r}") from error


@dataclass
class Ownership:
    """From `assigned` to whatever ended it."""
    member: str
    partition: str
    generation: int | None
    since: int
    until: float = FOREVER
    # From here on the member is out of the group.
    out_since: float = FOREVER
    # From here on it may be out without having heard of it. A commit that goes through takes the doubt away.
    doubt_since: float = FOREVER
    replaced: bool = False

    @property
    def certain_until(self):
        return min(self.until, self.out_since, self.doubt_since)


def check(events, ends, exactly_once=False, keeping=()):
    """Every problem of one group's history. `events` are in order per member; `ends` are the log end offsets of the
    partitions that must have been delivered whole; `keeping` are members whose client goes on from its own position when it
    is given a partition again that it had last time."""
    owned, problems = ownerships(events)
    problems += two_owners(owned)
    problems += deliveries(events, ends, exactly_once)
    problems += commits(events, owned)
    problems += beginnings(events, keeping)
    return problems


def ownerships(events):
    """All times of ownership, and records from partitions that their member did not have."""
    owned, now, problems = [], {}, []
    for event in events:
        mine = now.setdefault(event.member, {})
        if event.kind == "assigned":
            for partition in event.partitions:
                if partition in mine:
                    # Told again without a `revoked` between: still the same time, in a later generation.
                    mine[partition].until = event.at
                mine[partition] = Ownership(event.member, partition, event.generation, event.at)
                owned.append(mine[partition])
        elif event.kind in ("revoked", "lost"):
            for partition in event.partitions:
                if partition in mine:
                    ended = mine.pop(partition)
                    ended.until = event.at
                    if event.kind == "lost":
                        ended.out_since = ended.since
        elif event.kind == "killed":
            for one in mine.values():
                one.until = event.at
            mine.clear()
        elif event.kind == "replaced" or event.kind == "error" and event.code in OUT_CODES:
            for one in mine.values():
                one.out_since = min(one.out_since, event.at)
                one.replaced = one.replaced or event.kind == "replaced"
        elif event.kind in ("stopped", "interrupted"):
            for one in mine.values():
                one.doubt_since = min(one.doubt_since, event.at)
        elif event.kind == "committed":
            for one in mine.values():
                if one.doubt_since < event.begun:
                    one.doubt_since = FOREVER
        elif event.kind == "records" and event.partitions[0] not in mine:
            problems.append(Problem("not-owned", f"{event.member} delivered {event.partitions[0]} {event.first} to "
                                                 f"{event.last} while it did not have the partition"))
    return owned, problems


def two_owners(owned):
    problems = []
    by_partition = collections.defaultdict(list)
    for one in sorted(owned, key=lambda one: one.since):
        for earlier in by_partition[one.partition]:
            if earlier.member == one.member:
                continue
            same = one.generation is not None and one.generation == earlier.generation
            if same and earlier.until > one.since and not earlier.replaced:
                problems.append(Problem("same-generation", f"{earlier.member} and {one.member} have {one.partition} "
                                                           f"in generation {one.generation}"))
            elif earlier.certain_until > one.since:
                problems.append(Problem("two-owners", f"{one.member} got {one.partition} at {one.since}, and "
                                                      f"{earlier.member} has it until {earlier.until}"))
        by_partition[one.partition].append(one)
    return problems


def deliveries(events, ends, exactly_once):
    """Order within each time of ownership, and that each record below the end came."""
    problems, following, seen = [], {}, collections.defaultdict(collections.Counter)
    for event in events:
        if event.kind in ("assigned", "revoked", "lost", "killed", "reset"):
            for partition in event.partitions:
                following.pop((event.member, partition), None)
        if event.kind != "records":
            continue
        (partition,) = event.partitions
        expected = following.get((event.member, partition))
        if expected is not None and event.first != expected:
            problems.append(Problem("disordered", f"{event.member} delivered {partition} {event.first} where {expected} follows"))
        following[event.member, partition] = event.last + 1
        seen[partition].update(range(event.first, event.last + 1))
    for partition, end in ends.items():
        missing = [offset for offset in range(end) if offset not in seen[partition]]
        if missing:
            problems.append(Problem("lost", f"{partition}: {len(missing)} of {end} records were not delivered, first {missing[0]}"))
        doubled = [offset for offset, times in seen[partition].items() if times > 1]
        if exactly_once and doubled:
            problems.append(Problem("doubled", f"{partition}: {len(doubled)} records came more than once, first {min(doubled)}"))
        beyond = [offset for offset in seen[partition] if offset >= end]
        if beyond:
            problems.append(Problem("invented", f"{partition}: offset {max(beyond)} was delivered, the end is {end}"))
    return problems


def commits(events, owned):
    """Acknowledged commits only grow, and only owners make them."""
    problems = []
    by_partition = collections.defaultdict(list)
    for event in events:
        for partition in event.offsets:
            by_partition[partition].append(event)
    resets = [event for event in events if event.kind == "reset"]
    for partition, found in by_partition.items():
        found.sort(key=lambda event: event.at)
        cleared = [event.at for event in resets if partition in event.partitions]
        problems += going_back(partition, found, cleared)
        problems += of_others(partition, found, [one for one in owned if one.partition == partition])
    return problems


def between(times, after, before):
    return any(after <= time <= before for time in times)


def going_back(partition, found, cleared):
    """By real time: an acknowledged commit must not be undone by one that was asked for later."""
    problems = []
    # Two cursors over the same events, one by acknowledgement, one by request.
    waiting = collections.deque(found)
    floor = None
    for event in sorted(found, key=lambda event: event.begun):
        while waiting and waiting[0].at < event.begun:
            done = waiting.popleft()
            if floor is None or done.offsets[partition] >= floor.offsets[partition] or between(cleared, floor.at, done.at):
                floor = done
        if floor and event.offsets[partition] < floor.offsets[partition] and not between(cleared, floor.at, event.at):
            problems.append(Problem("commit-back", f"{event.member} committed {partition} {event.offsets[partition]} after "
                                                   f"{floor.member} had committed {floor.offsets[partition]}"))
    return problems


def of_others(partition, found, owned):
    """A commit asked for after somebody else got the partition, acknowledged while he has it."""
    return [
        Problem("fenced-commit", f"{event.member} committed {partition} {event.offsets[partition]} while {one.member} has it")
        for event in found for one in owned
        if event.member != one.member and one.since < event.begun and event.at < one.certain_until]


def beginnings(events, keeping):
    """The first record after `assigned` is not below a commit acknowledged before."""
    problems, fresh, position, done = [], {}, {}, collections.defaultdict(list)
    for event in events:
        for partition, offset in event.offsets.items():
            done[partition].append((event, offset))
    resets = [event for event in events if event.kind == "reset"]
    for event in events:
        for partition in event.partitions:
            if event.kind == "assigned":
                fresh[event.member, partition] = event.at
            elif event.kind in ("revoked", "lost", "killed", "reset"):
                fresh.pop((event.member, partition), None)
        if event.kind != "records":
            continue
        (partition,) = event.partitions
        since, kept = fresh.pop((event.member, partition), None), position.get((event.member, partition))
        position[event.member, partition] = event.last + 1
        if since is None or event.member in keeping and event.first == kept:
            continue
        cleared = max((reset.at for reset in resets if partition in reset.partitions and reset.at <= event.at), default=0)
        floor = max((offset for commit, offset in done[partition] if cleared < commit.begun and commit.at < since), default=0)
        if event.first < floor:
            problems.append(Problem("began-below", f"{event.member} began {partition} at {event.first}, committed was {floor}"))
    return problems
