"""The group scenarios (README.md says what each one is to show). `s` is a groups.Scene."""

import fnmatch
import threading
import time

from . import history, wire
from .crew import Finding, Refused, same

METADATA = "größer-als/17"
METADATA_BYTES_MAX = 4096
UNKNOWN_MEMBER_ID, OFFSET_METADATA_TOO_LARGE = 25, 12
NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND, FENCED_INSTANCE_ID = 68, 69, 82
GROUP_SUBSCRIBED_TO_TOPIC, UNRELEASED_INSTANCE_ID = 86, 111
# A member that leaves frees its partitions long before its session of 6 s is over.
LEFT_WITHIN_S = 5
# Partitions that stay must deliver on; a busy machine is given some time.
STILL_FOR_S_MAX = 3
PATTERN_WITHIN_S = 10
# The broker resolves patterns again 10 s after the last time at the soonest.
PATTERN_848_WITHIN_S = 25


def refused(code, call, *args, **options):
    try:
        call(*args, **options)
    except Refused as refusal:
        same(code, refusal.code, str(refusal))
    else:
        raise Finding(f"{args} went through, expected error {code}")


def subscribe(s):
    s.exactly_once.add(s.group)
    s.create(4)
    s.produce(200)
    a = s.join("a")
    s.await_delivered()
    a.call("commit")
    same(s.ends(), offsets_of(s.committed()), "committed offsets")
    a.call("close")
    s.produce(100)
    s.join("b")
    s.await_delivered()
    s.quiet()


def offsets_of(committed):
    return {partition: offset for partition, (offset, _) in committed.items()}


def rebalance(s):
    s.create(6)
    with s.flow():
        a = s.join("a", commit="each")
        s.await_shares({a: 6})
        b = s.join("b", commit="each")
        s.await_shares({a: 3, b: 3})
        c = s.join("c", "two", commit="each")
        d = s.join("d", "three", commit="each")
        s.await_even_shares([a, b, c, d])
        b.call("close")
        s.await_shares({a: 2, c: 2, d: 2}, LEFT_WITHIN_S)
        c.process.kill()
        d.process.stop()
        s.crew.await_that("all partitions with the only one left", lambda: a.partitions == s.all_partitions(), 20)
        s.await_delivered(a)
        d.process.go_on()
        s.await_shares({a: 3, d: 3}, 20)
    s.await_delivered()


def static(s):
    s.create(4)
    s.produce(40)
    a = s.join("a", instance="first", commit="each")
    b = s.join("b", "two", instance="second", commit="each")
    s.await_shares({a: 2, b: 2})
    s.await_delivered()
    had, heard = set(a.partitions), moves(b)
    a.call("close")
    again = s.join("again", instance="first", commit="each")
    s.crew.await_that("the same partitions", lambda: again.partitions == had, 5)
    s.produce(40)
    s.await_delivered(again, b)
    same(heard, moves(b), "what the other member heard")


def fenced(s):
    s.create(4)
    s.produce(40)
    a = s.join("a", instance="first", commit="each")
    b = s.join("b", "two", instance="second", commit="each")
    s.await_shares({a: 2, b: 2})
    s.await_delivered()
    had = set(a.partitions)
    if s.protocol == "consumer":
        second = s.join("second", "three", instance="first", commit="each")
        s.await_error(second, UNRELEASED_INSTANCE_ID)
        same(had, a.partitions, "partitions of the one that was there first")
        return
    s.crew.note("replaced", [a])
    second = s.join("second", "three", instance="first", commit="each")
    s.crew.await_that("the partitions of the fenced one", lambda: second.partitions == had, 10)
    # Some clients hear of it when they commit.
    s.produce(40)
    s.await_error(a, FENCED_INSTANCE_ID)
    s.await_delivered(second, b)


def moves(member):
    return [(e.kind, e.partitions) for e in member.events if e.kind in ("assigned", "revoked", "lost") and e.partitions]


def cooperative(s):
    s.create(6)
    how = {"assignor": "cooperative-sticky", "commit": "each"}
    with s.flow():
        a = s.join("a", **how)
        s.await_shares({a: 6})
        s.await_delivered()
        b = s.join("b", **how)
        s.await_shares({a: 3, b: 3})
        c = s.join("c", **how)
        s.await_shares({a: 2, b: 2, c: 2})
        c.call("close")
        s.await_shares({a: 3, b: 3}, LEFT_WITHIN_S)
        time.sleep(0.5)
    s.await_delivered()
    owners = {}
    for event in s.crew.events:
        for partition in event.partitions:
            if event.kind == "assigned":
                assert owners.get(partition) != event.member, f"{partition} was revoked from {event.member} and came back"
                owners[partition] = event.member
    stayed = s.all_partitions() - {p for e in a.events if e.kind in ("revoked", "lost") for p in e.partitions}
    assert stayed, "no partition stayed with the first member"
    for partition in stayed:
        times = [event.at for event in a.events if event.kind == "records" and event.partitions == [partition]]
        longest = max(later - earlier for earlier, later in zip(times, times[1:])) / 1e6
        assert longest < STILL_FOR_S_MAX, f"{partition} stayed with its member, which delivered nothing for {longest:.1f} s"


def commit(s):
    s.create(3)
    s.produce(90)
    first, second, third = (f"{s.topic}:{n}" for n in range(3))
    a = s.join("a")
    s.await_delivered()

    def expect(offsets):
        found = {p: (offset, text) for p, (offset, text) in s.committed().items()}
        same(offsets, found, "committed, asked by the harness")
        own = a.call("committed", parts=",".join([first, second, third]))
        same(offsets_of(offsets), offsets_of(history.parse_offsets(own["offsets"])), "committed, asked by the member")

    with s.part():
        a.call("commit", offsets=f"{first}:5,{second}:7")
        expect({first: (5, ""), second: (7, "")})
        a.call("commit", offsets=f"{third}:1")
        expect({first: (5, ""), second: (7, ""), third: (1, "")})
    with s.part():
        a.call("commit", offsets=f"{first}:6:{METADATA}")
        offset, text = s.committed()[first]
        # One client adds a NUL byte.
        same((6, METADATA), (offset, text.rstrip("\0")), "with metadata, asked by the harness")
        own = history.parse_offsets(a.call("committed", parts=first)["offsets"])
        same(6, own[first][0], "offset committed with metadata")
        assert own[first][1] in (METADATA, "-"), f"metadata came back as {own[first][1]}"
        refused(OFFSET_METADATA_TOO_LARGE, a.call, "commit", offsets=f"{first}:7:{'x' * (METADATA_BYTES_MAX + 1)}")
        a.call("commit", offsets=f"{first}:8:{'x' * (METADATA_BYTES_MAX - 1)}")
    with s.part():
        a.call("commit", mode="async", offsets=f"{second}:9")
        same(9, s.committed()[second][0], "committed async")
    with s.part():
        a.call("commit", mode="async")
        expect({partition: (end, "") for partition, end in s.ends().items()})
    s.produce(30)
    s.await_delivered()
    a.call("commit", mode="sync")
    expect({partition: (end, "") for partition, end in s.ends().items()})


def auto_commit(s):
    s.exactly_once.add(s.group)
    s.create(2)
    s.produce(60)
    a = s.join("a", auto_commit_ms=200)
    s.await_delivered()
    eventually(lambda: offsets_of(s.committed()) == s.ends(), "committed without a call", 3)
    s.produce(60)
    s.await_delivered()
    a.call("close")
    same(s.ends(), offsets_of(s.committed()), "committed when the member had closed")
    s.produce(20)
    s.join("b", auto_commit_ms=200)
    s.await_delivered()
    s.quiet()


def eventually(condition, what, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


def pattern(s):
    s.exactly_once.add(s.group)
    early, late, other = f"{s.topic}-early", f"{s.topic}-late", f"not-{s.topic}"
    s.create(2, early)
    assert wire.create_topic(s.port, other, 1, {}) is None
    wire.produce(s.port, other, {0: [b"not wanted"]})
    s.produce(20, early)
    a = s.join("a", pattern=f"^{s.topic}-(early|late)$" if s.protocol is None else f"{s.topic}-(early|late)",
               commit="each")
    s.await_delivered()
    s.create(2, late)
    s.produce(20, late)
    s.await_delivered(seconds=PATTERN_848_WITHIN_S if s.protocol else PATTERN_WITHIN_S)
    same(s.all_partitions(), a.partitions, "partitions")


def seek_reset(s):
    s.create(2)
    s.produce(20)
    first, second = f"{s.topic}:0", f"{s.topic}:1"
    with s.part():
        from_latest(s)
    with s.part():
        group = f"{s.group}-none"
        s.partial.add(group)
        s.await_error(s.join("none", group=group, reset="none"), None)
    s.partial.add(s.group)
    e = s.join("e", reset="earliest")
    s.await_delivered(e)
    with s.part():
        again(s, e, f"{first}:beginning", 0)
        again(s, e, f"{second}:5", 5)
    with s.part():
        # Beyond the end: the policy is earliest.
        again(s, e, f"{second}:99999", 0)
    with s.part():
        end = s.ends()[first]
        s.reset([first], e)
        e.call("seek", offset=f"{first}:end")
        s.quiet(0.3)
        s.produce(4)
        s.await_delivered(e)
        found = [event for event in e.events if event.kind == "records" and event.partitions == [first]]
        assert found[-1].first >= end, f"after a seek to the end {end}: {found[-1].first}"


def from_latest(s):
    group = f"{s.group}-latest"
    s.partial.add(group)
    member = s.join("latest", group=group, reset="latest")
    s.await_shares({member: 2})
    old = s.ends()

    def more():
        s.produce(2)
        return len(member.delivered) == 2

    # When the client has asked for the end is not to be seen.
    eventually(more, "records from the end", 10)
    for partition, end in old.items():
        first = next(e.first for e in member.events if e.kind == "records" and e.partitions == [partition])
        assert first >= end, f"reset to latest: {partition} began at {first}, its end was {end}"
    member.call("close")


def again(s, member, offset, first):
    """Seeks, and reads to the end from there."""
    partition = offset.rsplit(":", 1)[0]
    s.reset([partition], member)
    with s.crew.changed:
        begun = len(member.events)
        member.delivered.pop(partition, None)
    member.call("seek", offset=offset)
    s.await_delivered(member)
    found = [e for e in member.events[begun:] if e.kind == "records" and e.partitions == [partition]]
    # A record that was on its way before the seek does not count.
    assert any(event.first == first for event in found), f"seek {offset}: read from {found[0].first}"


def pause_resume(s):
    s.exactly_once.add(s.group)
    s.create(2)
    s.produce(20)
    first, second = f"{s.topic}:0", f"{s.topic}:1"
    a = s.join("a")
    s.await_delivered()
    a.call("pause", parts=first)
    before = dict(a.delivered)
    s.produce(20)
    s.crew.await_that("records of the other partition", lambda: a.delivered[second] == before[second] + 10, 10)
    time.sleep(1)
    same(before[first], a.delivered[first], "next offset of the paused partition")
    a.call("resume", parts=first)
    s.await_delivered()
    s.quiet(0.3)


def admin(s):
    s.create(2)
    s.produce(20)
    first, second = f"{s.topic}:0", f"{s.topic}:1"
    kind = s.protocol or "classic"
    a = s.join("a")
    s.await_delivered()
    a.call("commit")
    ends = s.ends()
    asked = s.member("admin")
    with s.part():
        eventually(lambda: listed(asked, s.group) in [("stable", kind), ("stable", "-"), ("-", kind), ("-", "-")], "listed", 5)
    with s.part():
        told = asked.call("describe", group=s.group)
        expect_told(told, state="stable", type=kind, members="1", assignor="uniform" if s.protocol else "range")
        assert told["parts"] in ("-", f"{first},{second}", f"{second},{first}"), f"partitions: {told['parts']}"
    with s.part():
        same(ends, offsets_of(history.parse_offsets(asked.call("offsets", group=s.group)["offsets"])), "offsets listed")
    with s.part():
        refused(UNKNOWN_MEMBER_ID, asked.call, "alter", group=s.group, offsets=f"{first}:1")
    with s.part():
        refused(GROUP_SUBSCRIBED_TO_TOPIC, asked.call, "delete-offsets", group=s.group, parts=first)
    with s.part():
        refused(NON_EMPTY_GROUP, asked.call, "delete-group", group=s.group)
    same(ends, offsets_of(s.committed()), "offsets after what was refused")
    a.call("close")
    with s.part():
        expect_told(asked.call("describe", group=s.group), state="empty", members="0")
    with s.part():
        asked.call("alter", group=s.group, offsets=f"{first}:1")
        same({first: 1, second: ends[second]}, offsets_of(s.committed()), "altered offsets")
    with s.part():
        asked.call("delete-offsets", group=s.group, parts=second)
        same({first}, set(s.committed()), "partitions with offsets after one was deleted")
    with s.part():
        asked.call("delete-group", group=s.group)
        same({}, s.committed(), "offsets of a deleted group")
        same(None, listed(asked, s.group), "the deleted group in the list")
        refused(GROUP_ID_NOT_FOUND, asked.call, "delete-group", group=s.group)
    with s.part():
        try:
            expect_told(asked.call("describe", group=f"{s.group}-unknown"), state="dead")
        except Refused as refusal:
            same(GROUP_ID_NOT_FOUND, refusal.code, str(refusal))


def listed(asked, group):
    for entry in history.parse_list(asked.call("groups")["groups"]):
        name, state, kind = entry.split(":")
        if name == group:
            return state.lower(), kind.lower()
    return None


def expect_told(told, **wanted):
    for name, value in wanted.items():
        found = told.get(name, "-").lower()
        assert found in (value, "-"), f"described with {name} {found}, expected {value}"


def restart(s):
    s.create(6)
    over, problems = threading.Event(), []
    watcher = threading.Thread(target=watch_commits, args=(s, over, problems), daemon=True)
    with s.flow():
        members = [s.join(name, commit="each") for name in ("a", "b", "c")]
        s.await_shares({member: 2 for member in members})
        watcher.start()
        for _ in range(2):
            time.sleep(1)
            s.restart()
            eventually(lambda: served(s), "the broker serves", 15)
            s.await_delivered(seconds=15)
        over.set()
        watcher.join()
    s.await_delivered()
    assert not problems, problems[0]


def served(s):
    try:
        return wire.latest(s.port, s.topic, 6) is not None
    except OSError:
        return False


def watch_commits(s, over, problems, group=None):
    """What is committed never goes back, restarts or not."""
    highest = {}
    while not over.wait(0.1):
        try:
            found = wire.committed(s.port, group or s.group)
        except (OSError, RuntimeError):
            continue
        if found is None:
            continue
        for partition, offset in highest.items():
            if found.get(partition, (-1, ""))[0] < offset:
                problems.append(f"committed for {partition} was {offset}, and then {found.get(partition)}")
        highest.update(offsets_of(found))


def upgrade(s):
    s.create(4)
    asked = s.member("admin")
    with s.flow():
        a = s.join("a", commit="each")
        b = s.join("b", commit="each")
        s.await_shares({a: 2, b: 2})
        same("classic", asked.call("describe", group=s.group)["type"], "type at the beginning")
        for protocol in ("consumer", "classic"):
            a.call("close")
            a = s.join(f"a-{protocol}", commit="each", protocol=protocol)
            s.await_shares({a: 2, b: 2})
            same("consumer", asked.call("describe", group=s.group)["type"], "type of the mixed group")
            b.call("close")
            b = s.join(f"b-{protocol}", commit="each", protocol=protocol)
            s.await_shares({a: 2, b: 2})
            same(protocol, asked.call("describe", group=s.group)["type"], "type after all have changed")
    s.await_delivered()


def mixed(s):
    s.create(6)
    with s.flow():
        a = s.join("a", "one", 0, commit="each")
        b = s.join("b", "two", 1, commit="each")
        c = s.join("c", "three", 2, commit="each")
        s.await_shares({a: 2, b: 2, c: 2}, 20)
        s.await_delivered()
        c.call("close")
        s.await_shares({a: 3, b: 3}, LEFT_WITHIN_S)
        b.process.kill()
        s.await_shares({a: 6}, 20)
    s.await_delivered()


BY_NAME = {
    "subscribe": subscribe, "rebalance": rebalance, "static": static, "fenced": fenced, "cooperative": cooperative, "commit": commit,
    "auto-commit": auto_commit, "pattern": pattern, "seek-reset": seek_reset, "pause-resume": pause_resume,
    "admin": admin, "restart": restart, "upgrade": upgrade, "mixed-*": mixed,
}


def find(scenario):
    name = scenario.removeprefix("group-").removeprefix("848-")
    return next(play for known, play in BY_NAME.items() if fnmatch.fnmatchcase(name, known))
