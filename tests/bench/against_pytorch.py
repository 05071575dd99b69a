#!/usr/bin/env python3
"""Compares the speed of balpoe with PyTorch's on this machine, alternately (A B C A B C ...), and prints ratios.

  cargo build --release
  python3 tests/bench/against_pytorch.py [--rounds 5] [--threads 2,1] [--experts 3,7] [--python PYTHON]

PYTHON is an interpreter with torch and numpy; ours is target/release/balpoe unless --balpoe says otherwise. Every round runs
each side once, in its own process; a ratio is formed within a round, and the table shows the median ratio with its range.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", default="2,1")
    parser.add_argument("--experts", default="3,7")
    parser.add_argument("--work", default="train,eval")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--balpoe", default=HERE.parent.parent / "target" / "release" / "balpoe")
    a = parser.parse_args()

    print("| work | experts | threads | ours, images/s | channels-last | default layout | ours / channels-last | ours / default | peak MiB, ours / PyTorch |")
    print("|---|---|---|---|---|---|---|---|---|")
    for work in a.work.split(","):
        for experts in a.experts.split(","):
            for threads in a.threads.split(","):
                settings = ["--experts", experts, "--threads", threads, "--batch", "128" if work == "train" else "256"]
                torch = [a.python, HERE / "torch_step.py", work, *settings]
                sides = {
                    "ours": [a.balpoe, "bench", work, "--json", "--repeats", "9", *settings],
                    "nhwc": [*torch, "--layout", "nhwc"],
                    "nchw": [*torch, "--layout", "nchw"],
                }
                rounds = [{side: run(command) for side, command in sides.items()} for _ in range(a.rounds)]
                speed = {side: [r[side]["images_per_s_median"] for r in rounds] for side in sides}
                middle = {side: statistics.median(values) for side, values in speed.items()}

                def ratio(other):
                    values = [ours / theirs for ours, theirs in zip(speed["ours"], speed[other])]
                    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"

                memory = [max(r[side]["peak_rss_mib"] for r in rounds) for side in ("ours", "nhwc")]
                print(
                    f"| {work} | {experts} | {threads} | {middle['ours']:.0f} | {middle['nhwc']:.0f} | {middle['nchw']:.0f} "
                    f"| {ratio('nhwc')} | {ratio('nchw')} | {memory[0]:.0f} / {memory[1]:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
