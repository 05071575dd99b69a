#!/usr/bin/env python3
"""Evaluates random logits of iNaturalist 2018's size (24,426 x 8,142, three experts) with balpoe and with NumPy, alternately in
one run, and prints seconds and peak memory of each.

  cargo build --release
  python3 tests/bench/evaluate_vs_numpy.py [--rounds 3] [--samples 24426] [--classes 8142] [--folder DIR]

Both read the same three .f32 files (2.4 GB), take the mean of logits, and report accuracy, NLL, Brier score, ECE and MCE of the mean and
of each expert; the figures are printed beside each other. NumPy's way is that of evaluation scripts: whole arrays, a softmax, a loop
over bins; `mean and ECE` is the mean of logits and one ECE alone. Every run is a process of its own, the first round warms the page
cache.
"""
import argparse
import json
import multiprocessing
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent

NUMPY = """
import json, sys
import numpy as np
files, labels, classes, only_mean = sys.argv[1].split(','), sys.argv[2], int(sys.argv[3]), sys.argv[4] == 'mean'
y = np.fromfile(labels, dtype='<u4')

def figures(logits):
    z = logits - logits.max(axis=1, keepdims=True)
    p = np.exp(z)
    p /= p.sum(axis=1, keepdims=True)
    confidence, prediction = p.max(axis=1), p.argmax(axis=1)
    right = prediction == y
    ece = mce = 0.0
    for low in np.arange(15) / 15:
        inside = (confidence > low) & (confidence <= low + 1 / 15)
        if inside.any():
            gap = abs(confidence[inside].mean() - right[inside].mean())
            ece, mce = ece + gap * inside.mean(), max(mce, gap)
    found = {'accuracy': right.mean(), 'ece': ece, 'mce': mce}
    if not only_mean:
        own = p[np.arange(len(y)), y]
        found['nll'] = -np.log(own).mean()
        found['brier'] = ((p * p).sum(axis=1) - 2 * own + 1).mean()
    return {name: float(value) for name, value in found.items()}

experts = np.stack([np.fromfile(file, dtype='<f4').reshape(-1, classes) for file in files])
mean = experts.mean(axis=0)
all_figures = [figures(mean)]
if not only_mean:
    all_figures += [figures(expert) for expert in experts]
print(json.dumps({'figures': all_figures[0]}))
"""


def measured(command):
    """Output, seconds and peak memory in MiB of a process."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit(f"{command[:2]} failed")
    return output, time.perf_counter() - start, usage.ru_maxrss / 1024


def write_logits(folder, samples, classes):
    import numpy as np

    generator = np.random.default_rng(0)
    labels = generator.integers(classes, size=samples, dtype=np.uint32)
    labels.tofile(folder / "labels.u32")
    for expert in range(3):
        with open(folder / f"expert{expert}.f32", "wb") as file:
            for start in range(0, samples, 1024):
                rows = labels[start : start + 1024]
                logits = generator.standard_normal((len(rows), classes), dtype=np.float32)
                logits[np.arange(len(rows)), rows] += 6.0
                logits.tofile(file)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=24426)
    parser.add_argument("--classes", type=int, default=8142)
    parser.add_argument("--folder", help="keep the files here, and use them if they are there")
    parser.add_argument("--balpoe", default=HERE.parent.parent / "target" / "release" / "balpoe")
    a = parser.parse_args()

    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(a.folder or temporary)
        if not (folder / "labels.u32").exists():
            folder.mkdir(parents=True, exist_ok=True)
            # In a process of its own: the peak memory of a child counts what its parent had.
            writer = multiprocessing.Process(target=write_logits, args=(folder, a.samples, a.classes))
            writer.start()
            writer.join()
        files = [str(folder / f"expert{e}.f32") for e in range(3)]
        labels = str(folder / "labels.u32")
        ours = [str(a.balpoe), "evaluate", *files, "--labels", labels, "--classes", str(a.classes), "--format", "json"]
        numpy_way = [sys.executable, "-c", NUMPY, ",".join(files), labels, str(a.classes)]
        best = {}
        for _ in range(a.rounds):
            for name, command in [("balpoe", ours), ("balpoe, one thread", ours + ["--threads", "1"]),
                                  ("NumPy", numpy_way + ["all"]), ("NumPy, mean and ECE", numpy_way + ["mean"])]:
                output, seconds, memory = measured(command)
                kept = best.setdefault(name, {"seconds": seconds, "memory": memory, "output": json.loads(output)})
                kept["seconds"], kept["memory"] = min(kept["seconds"], seconds), max(kept["memory"], memory)
        print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors, best of {a.rounds}")
        print("| way | seconds | peak MiB |\n|---|---|---|")
        for name, kept in best.items():
            print(f"| {name} | {kept['seconds']:.2f} | {kept['memory']:.0f} |")
        theirs = best["NumPy"]["output"]["figures"]
        print("NumPy's figures:", json.dumps(theirs))
        table = next(t for t in best["balpoe"]["output"]["tables"] if t["name"] == "main")
        cells = table["rows"][0]["cells"]
        print("ours:", {c["name"]: cell["value"].get("estimate", {}).get("mean") for c, cell in zip(table["columns"], cells)})


if __name__ == "__main__":
    main()
