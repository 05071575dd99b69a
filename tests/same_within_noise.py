#!/usr/bin/env python3
"""Whether two runs of one experiment that differ only by rounding give the same table, within the noise between seeds.

  same_within_noise.py ONE.json OTHER.json

Both are the output of `balpoe experiment FILE --format json` with at least two seeds. Rounding cannot be compared after
hundreds of steps: a ReLU that rounding decides the other way makes two runs part as two seeds do. So means are compared by the rule
that published figures are compared by: |one - other| <= 3 sd sqrt(1/n + 1/m), with the larger of the two deviations and at least half a
per cent of the figure. With three seeds a deviation is itself uncertain, and one figure in twenty falls outside by chance; figures of one run
go together, so that a fifth of them may. A head or a loss that is computed wrongly moves them all.
"""
import json
import math
import sys


def figures(path):
    with open(path) as file:
        tables = json.load(file)["tables"]
    for table in tables:
        if table["name"] not in ("main", "distributions"):
            continue
        for row in table["rows"]:
            for column, cell in zip(table["columns"], row["cells"]):
                estimate = cell["value"].get("estimate") if isinstance(cell["value"], dict) else None
                if estimate and estimate.get("sd") is not None:
                    yield (table["name"], row["label"], column.get("group"), column["name"]), estimate


def main():
    one, other = (dict(figures(path)) for path in sys.argv[1:3])
    if not one or one.keys() != other.keys():
        sys.exit("the two tables do not have the same figures")
    apart = 0
    for key, a in one.items():
        b = other[key]
        bound = 3 * max(a["sd"], b["sd"], 0.005 * abs(a["mean"])) * math.sqrt(1 / a["n"] + 1 / b["n"])
        if abs(a["mean"] - b["mean"]) > bound:
            apart += 1
            print(f"{' / '.join(map(str, key))}: {a['mean']:.3f} and {b['mean']:.3f} are more than {bound:.3f} apart")
    print(f"{len(one) - apart} of {len(one)} figures agree within the noise between seeds")
    sys.exit(apart > len(one) // 5)


if __name__ == "__main__":
    main()
