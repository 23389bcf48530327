"""How far a run is, what is left of it, and whether another group still fits."""

import time
from collections import Counter


class Progress:
    """Each group of each target counts as long as it took last, and before that as scenarios.py says of full mode."""

    def __init__(self, groups, targets, rounds, minutes, is_full):
        self.minutes = minutes
        # Quick mode takes about a fifth; only its first round goes by that.
        scale = 1.0 if is_full else 0.2
        self.takes = {(name, target): group.seconds[target] * scale for name, group in groups.items() for target in targets}
        self.left = Counter({(name, target): min(rounds, groups[name].rounds_max) for name, target in self.takes})
        self.begin = time.monotonic()

    def spent_s(self):
        return time.monotonic() - self.begin

    def left_s(self):
        return sum(self.takes[cell] * count for cell, count in self.left.items())

    def fits(self, name):
        """False, and off the list, if a group of all targets would end after the time that the run has."""
        cells = [cell for cell in self.takes if cell[0] == name]
        is_fitting = not self.minutes or self.spent_s() + sum(self.takes[cell] for cell in cells) <= self.minutes * 60
        if not is_fitting:
            self.left.subtract(cells)
        return is_fitting

    def took(self, name, target, seconds):
        """The line to print when a group has ended on a target."""
        self.takes[name, target] = seconds
        self.left[name, target] -= 1
        return f"{name} on {target} took {seconds:.0f} s; {self.spent_s() / 60:.1f} minutes are over, about {self.left_s() / 60:.0f} are left"
