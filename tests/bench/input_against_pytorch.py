#!/usr/bin/env python3
"""Compares the speed of input pipelines with torchvision's on this machine, alternately (A B C A B C ...), and prints ratios.

  cargo build --release --features turbojpeg
  python3 tests/bench/input_against_pytorch.py --list LIST --root DIR --data DIR [--rounds 5] [--workers 1,2] [--python PYTHON]

LIST and DIR of --root are photographs ("path label" lines and their folder), DIR of --data holds cifar-100-binary/. PYTHON is an
interpreter with torch, torchvision, numpy and Pillow. Every round runs each side once, in its own process; a ratio is formed within
a round, from the best repeat of each side, and the table shows the median ratio with its range.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent


def run(command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--list", required=True, type=pathlib.Path)
    parser.add_argument("--root", required=True, type=pathlib.Path)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", default="1,2")
    parser.add_argument("--times", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--no-turbojpeg", action="store_true", help="our program was built without it")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--balpoe", default=HERE.parent.parent / "target" / "release" / "balpoe")
    a = parser.parse_args()

    packs = tempfile.TemporaryDirectory()
    dataset = pathlib.Path(packs.name) / "photographs.toml"
    paths = {"folder": a.root.resolve(), "train": a.list.resolve(), "test": a.list.resolve()}
    dataset.write_text('[dataset]\nkind = "image-list"\n' + "".join(f'{key} = "{path}"\n' for key, path in paths.items()))
    for reduce in ([], ["--set", "reduce=256"]):
        packing = [a.balpoe, "data", "pack", dataset, "--data", packs.name, *reduce]
        subprocess.run(list(map(str, packing)), check=True, capture_output=True)

    print("| input | workers | ours, images/s | torchvision | ours / torchvision |")
    print("|---|---|---|---|---|")
    photographs = ["--list", a.list, "--root", a.root, "--times", a.times]
    means = {"": [], ", packed": ["--packs", packs.name], ", packed at 256": ["--packs", packs.name, "--reduce", 256]}
    if not a.no_turbojpeg:
        means[", scaled decoding"] = ["--scaled-decoding"]
    nothing = {"": []}
    for what, augment, arguments, variants in [
        ("input", "standard", photographs, means),
        ("input", "randaugment", photographs, nothing),
        ("cifar-input", "standard", ["--data", a.data], nothing),
        ("cifar-input", "autoaugment", ["--data", a.data], nothing),
    ]:
        for workers in a.workers.split(","):
            settings = [what, *arguments, "--augment", augment, "--workers", workers, "--repeats", a.repeats]
            ours = [a.balpoe, "bench", *settings, "--json"]
            sides = {name: [*ours, *more] for name, more in variants.items()}
            sides["torchvision"] = [a.python, HERE / "torch_input.py", *settings]
            rounds = [{side: run(command) for side, command in sides.items()} for _ in range(a.rounds)]
            speed = {side: [r[side]["images_per_s_best"] for r in rounds] for side in sides}
            for name in variants:
                ratios = [mine / theirs for mine, theirs in zip(speed[name], speed["torchvision"])]
                print(
                    f"| {what} {augment}{name} | {workers} | {statistics.median(speed[name]):.0f} "
                    f"| {statistics.median(speed['torchvision']):.0f} "
                    f"| {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
