"""Proves the check of transactions: each of these has the one problem that it is named after."""

from .transactions import Transaction, check


def transaction(outcome, numbers, sender="p"):
    return Transaction(sender, outcome, {0: numbers})


CASES = {
    "clean": ([transaction("commit", [0, 1]), transaction("abort", [2, 3]), transaction("commit", [4], "q")], [0, 4, 1]),
    "lost": ([transaction("commit", [0, 1]), transaction("commit", [2])], [0, 2]),
    "doubled": ([transaction("commit", [0, 1])], [0, 1, 1]),
    "aborted, and read": ([transaction("abort", [0, 1]), transaction("commit", [2])], [1, 2]),
    "disordered": ([transaction("commit", [0, 1]), transaction("commit", [2])], [0, 2, 1]),
    "invented": ([transaction("commit", [0])], [0, 9]),
}


def failures():
    """What the check told wrong, and how many cases there are."""
    wrong = []
    for name, (transactions, committed) in CASES.items():
        found = check(0, transactions, committed)
        wanted = [] if name == "clean" else [name]
        if [problem.split(":")[0] for problem in found] != wanted:
            wrong.append(f"transactions, {name}: found {found}")
    return wrong, len(CASES)
