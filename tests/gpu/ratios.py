#!/usr/bin/env python3
"""The table of what tests/gpu/suite.sh measured: ratios.py RESULTS.

Reads RESULTS/bench.NETWORK.EXPERTS.SIDE.ROUND.txt, one JSON object each; a side is ours-PRECISION, torch, torch-amp or
torch-amp-compiled. Speeds are medians over rounds, with their range; a ratio is that of the medians.
"""
import collections
import json
import pathlib
import statistics
import sys

# What of PyTorch's computes in which precision.
SIDES = {"bf16": ["torch-amp", "torch-amp-compiled"], "tf32": ["torch"], "f32": []}


def main():
    measured = collections.defaultdict(lambda: collections.defaultdict(list))
    batches, notices = {}, set()
    for path in sorted(pathlib.Path(sys.argv[1]).glob("bench.*.txt")):
        _, network, experts, side, _, _ = path.name.split(".")
        text = path.read_text().strip()
        # A measurement that failed left nothing, or half a line.
        try:
            found = json.loads(text.splitlines()[-1])
        except (IndexError, json.JSONDecodeError):
            continue
        measured[network, int(experts)][side].append(found["images_per_s_median"])
        batches[network, int(experts)] = found["batch"]
        notices.update(found.get("notices", []))

    line = "{:10} {:>7} {:>5} {:>9}  {:>24}  {:20} {:>10} {:>14}".format
    print(line("network", "experts", "batch", "precision", "ours, images/s", "PyTorch", "images/s", "ours / PyTorch"))
    for (network, experts), sides in sorted(measured.items()):
        for precision, others in SIDES.items():
            ours = sides.get(f"ours-{precision}")
            if not ours:
                continue
            middle = statistics.median(ours)
            speed = f"{middle:.0f} ({min(ours):.0f} to {max(ours):.0f})"
            start = [network, experts, batches[network, experts], precision, speed]
            rows = [(side, statistics.median(sides[side])) for side in others if side in sides]
            for side, theirs in rows:
                print(line(*start, side.removeprefix("torch-") if side != "torch" else "plain", f"{theirs:.0f}", f"{middle / theirs:.2f}"))
            if not rows:
                print(line(*start, "not measured", "", ""))
    for notice in sorted(notices):
        print(f"ours: {notice}")


if __name__ == "__main__":
    main()
