"""Proves the history check: each history here has the problems that its first line names, and no others."""

from . import history

HISTORIES = """
clean: two members, one after the other
@a assigned t=10 gen=1 parts=x:0,x:1
@a records t=11 part=x:0 first=0 last=4
@a records t=12 part=x:1 first=0 last=1
@a committed s=13 t=14 offsets=x:0:5,x:1:2
@a revoked t=20 parts=x:0,x:1
@a assigned t=21 gen=2 parts=x:0
@b assigned t=21 gen=2 parts=x:1
@b records t=22 part=x:1 first=2 last=9
@a records t=23 part=x:0 first=5 last=9

clean: records come again after a member was killed
@a assigned t=10 gen=1 parts=x:0,x:1
@a records t=11 part=x:0 first=0 last=9
@a records t=11 part=x:1 first=0 last=9
@a committed s=12 t=13 offsets=x:0:5
@a killed t=14
@b assigned t=20 gen=2 parts=x:0,x:1
@b records t=21 part=x:0 first=5 last=9
@b records t=22 part=x:1 first=0 last=9

clean: a stopped member does not hear that another one has its partitions
@a assigned t=10 gen=1 parts=x:0,x:1
@a records t=11 part=x:0 first=0 last=4
@a stopped t=12
@b assigned t=20 gen=2 parts=x:0,x:1
@b records t=21 part=x:0 first=0 last=9
@b records t=22 part=x:1 first=0 last=9
@a records t=23 part=x:0 first=5 last=6
@a error t=24 code=22
@a revoked t=25 parts=x:0,x:1

clean: a cooperative member keeps what does not move
@a assigned t=10 gen=1 parts=x:0,x:1
@a records t=11 part=x:0 first=0 last=4
@a revoked t=20 parts=x:1
@a records t=21 part=x:0 first=5 last=9
@b assigned t=30 gen=3 parts=x:1
@b records t=31 part=x:1 first=0 last=9

clean: an acknowledged commit that two requests in flight overtake
@a assigned t=10 gen=1 parts=x:0,x:1
@a records t=11 part=x:0 first=0 last=9
@a records t=12 part=x:1 first=0 last=9
@a committed s=20 t=31 offsets=x:0:5
@a committed s=21 t=30 offsets=x:0:9

clean: a reset sets offsets back
@a assigned t=10 gen=1 parts=x:0,x:1
@a records t=11 part=x:0 first=0 last=9
@a records t=12 part=x:1 first=0 last=9
@a committed s=13 t=14 offsets=x:0:10
@a revoked t=15 parts=x:0,x:1
@harness reset t=16 parts=x:0
@b assigned t=20 gen=2 parts=x:0,x:1
@b records t=21 part=x:0 first=3 last=9
@b committed s=23 t=24 offsets=x:0:4

clean: a member whose session ends while the broker is away
@a assigned t=10 gen=1 parts=x:0,x:1
@a records t=11 part=x:0 first=0 last=4
@a interrupted t=12
@b assigned t=20 gen=4 parts=x:0,x:1
@b records t=21 part=x:0 first=0 last=9
@b records t=22 part=x:1 first=0 last=9
@a revoked t=25 parts=x:0,x:1

clean: another one comes with the same instance id
@a assigned t=10 gen=1 parts=x:0,x:1
@a records t=11 part=x:0 first=0 last=9
@a replaced t=12
@b assigned t=20 gen=1 parts=x:0,x:1
@b records t=22 part=x:1 first=0 last=9
@a error t=25 code=82

two-owners: a commit went through after the broker had been away
@a assigned t=10 gen=1 parts=x:0,x:1
@a records t=11 part=x:0 first=0 last=4
@a interrupted t=12
@a committed s=13 t=14 offsets=x:0:5
@b assigned t=20 gen=2 parts=x:0
@b records t=21 part=x:0 first=5 last=9
@a records t=22 part=x:1 first=0 last=9
@a revoked t=25 parts=x:0,x:1

clean: k goes on from its own position when it gets the partition again
@k assigned t=10 gen=1 parts=x:0,x:1
@k records t=11 part=x:0 first=0 last=4
@k records t=12 part=x:1 first=0 last=9
@k revoked t=15 parts=x:0,x:1
@b assigned t=16 gen=2 parts=x:0,x:1
@b records t=17 part=x:0 first=0 last=9
@b committed s=18 t=19 offsets=x:0:10
@b revoked t=20 parts=x:0,x:1
@k assigned t=21 gen=3 parts=x:0,x:1
@k records t=22 part=x:0 first=5 last=9

began-below: k does not go on from its own position
@k assigned t=10 gen=1 parts=x:0,x:1
@k records t=11 part=x:0 first=0 last=4
@k records t=12 part=x:1 first=0 last=9
@k revoked t=15 parts=x:0,x:1
@b assigned t=16 gen=2 parts=x:0,x:1
@b records t=17 part=x:0 first=0 last=9
@b committed s=18 t=19 offsets=x:0:10
@b revoked t=20 parts=x:0,x:1
@k assigned t=21 gen=3 parts=x:0,x:1
@k records t=22 part=x:0 first=4 last=9

lost: a record that nobody has
@a assigned t=10 gen=1 parts=x:0,x:1
@a records t=11 part=x:0 first=0 last=9
@a records t=12 part=x:1 first=0 last=8

lost disordered: a gap in the middle
@a assigned t=10 gen=1 parts=x:0,x:1
@a records t=11 part=x:0 first=0 last=9
@a records t=12 part=x:1 first=0 last=3
@a records t=13 part=x:1 first=5 last=9

disordered: the same records twice in one go
@a assigned t=10 gen=1 parts=x:0,x:1
@a records t=11 part=x:0 first=0 last=9
@a records t=12 part=x:1 first=0 last=5
@a records t=13 part=x:1 first=4 last=9

doubled: exactly once is asked for
@a assigned t=10 gen=1 parts=x:0,x:1
@a records t=11 part=x:0 first=0 last=9
@a records t=12 part=x:1 first=0 last=9
@a revoked t=15 parts=x:0,x:1
@b assigned t=16 gen=2 parts=x:0,x:1
@b records t=17 part=x:0 first=9 last=9

invented: beyond the end
@a assigned t=10 gen=1 parts=x:0,x:1
@a records t=11 part=x:0 first=0 last=10
@a records t=12 part=x:1 first=0 last=9

not-owned: a record after the partition went
@a assigned t=10 gen=1 parts=x:0,x:1
@a records t=11 part=x:0 first=0 last=9
@a records t=12 part=x:1 first=0 last=5
@a revoked t=15 parts=x:1
@a records t=16 part=x:1 first=6 last=9

two-owners: the second one has it before the first one let go
@a assigned t=10 gen=1 parts=x:0,x:1
@a records t=11 part=x:0 first=0 last=9
@b assigned t=15 gen=2 parts=x:1
@b records t=16 part=x:1 first=0 last=9
@a revoked t=17 parts=x:1

two-owners: an error of the first one comes too late to excuse it
@a assigned t=10 gen=- parts=x:0,x:1
@a records t=11 part=x:0 first=0 last=9
@b assigned t=15 gen=- parts=x:1
@b records t=16 part=x:1 first=0 last=9
@a error t=17 code=22
@a revoked t=18 parts=x:1

same-generation: even a member that was stopped
@a assigned t=10 gen=2 parts=x:0,x:1
@a records t=11 part=x:0 first=0 last=9
@a stopped t=12
@b assigned t=15 gen=2 parts=x:1
@b records t=16 part=x:1 first=0 last=9
@a lost t=18 parts=x:1

commit-back: a lower offset after a higher one was acknowledged
@a assigned t=10 gen=1 parts=x:0,x:1
@a records t=11 part=x:0 first=0 last=9
@a records t=12 part=x:1 first=0 last=9
@a committed s=20 t=21 offsets=x:0:9
@a committed s=22 t=23 offsets=x:0:5

commit-back: a reset before does not excuse it
@harness reset t=5 parts=x:0
@a assigned t=10 gen=1 parts=x:0,x:1
@a records t=11 part=x:0 first=0 last=9
@a records t=12 part=x:1 first=0 last=9
@a committed s=20 t=21 offsets=x:0:9
@a committed s=22 t=23 offsets=x:0:5

fenced-commit two-owners: a stopped member commits what another one has
@a assigned t=10 gen=1 parts=x:0,x:1
@a records t=11 part=x:0 first=0 last=4
@a stopped t=12
@b assigned t=20 gen=2 parts=x:0,x:1
@b records t=21 part=x:0 first=0 last=9
@b records t=22 part=x:1 first=0 last=9
@a committed s=23 t=24 offsets=x:0:5

began-below: the next owner does not find the commit
@a assigned t=10 gen=1 parts=x:0,x:1
@a records t=11 part=x:0 first=0 last=9
@a records t=12 part=x:1 first=0 last=9
@a committed s=13 t=14 offsets=x:0:10
@a revoked t=15 parts=x:0,x:1
@b assigned t=16 gen=2 parts=x:0,x:1
@b records t=17 part=x:0 first=0 last=9
"""

ENDS = {"x:0": 10, "x:1": 10}
EXACTLY_ONCE = "exactly once"
KEEPING = {"k"}


def failures():
    """What the check gets wrong, one line each; and how many histories there are."""
    wrong, blocks = [], HISTORIES.strip().split("\n\n")
    for block in blocks:
        title, *lines = block.splitlines()
        expected = set(title.split(":")[0].split()) - {"clean"}
        events = []
        for line in lines:
            member, kind, *words = line.removeprefix("@").split()
            events.append(history.parse_event(member, kind, words))
        problems = history.check(events, ENDS, EXACTLY_ONCE in title, KEEPING)
        found = {problem.kind for problem in problems}
        if found != expected:
            wrong.append(f"{title}: found {[str(problem) for problem in problems]}")
    return wrong, len(blocks)
