#!/usr/bin/env python3
"""The PyTorch side of the speed comparison: the reference's networks and step, written plainly.

  python3 torch_step.py train|eval [--network resnet32|resnet50] [--experts 3] [--batch 128] [--threads 2] [--repeats 9]
                        [--layout nhwc|nchw] [--device cpu|cuda] [--amp] [--compile]

Prints one JSON object with the fields of `balpoe bench train|eval --json`. On both sides a repeat begins with images in the
memory of the processor and ends when its result is there. --amp computes convolutions in bf16. Needs torch and numpy.
"""
import argparse
import json
import math
import resource
import statistics
import time

import numpy as np
import torch
import torch.nn.functional as F

import torch_networks

# Height and width of images, images in a batch, classes, the largest class and its ratio to the smallest, the last expert's tau,
# and mixup's alpha: as in framework/cli/commands/bench_network.rs.
SETTINGS = {
    "resnet32": dict(size=32, batch=128, classes=100, largest=500, ratio=100, tau=2.0, alpha=0.4),
    "resnet50": dict(size=224, batch=64, classes=1000, largest=1280, ratio=256, tau=2.5, alpha=0.3),
}


def log_prior(classes, largest, ratio):
    counts = [int(largest * math.pow(ratio, -c / (classes - 1))) for c in range(classes)]
    return torch.tensor([math.log(count / sum(counts)) for count in counts])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("work", choices=["train", "eval"])
    parser.add_argument("--network", choices=SETTINGS, default="resnet32")
    parser.add_argument("--experts", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--layout", choices=["nhwc", "nchw"], default="nhwc")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--amp", action="store_true")
    parser.add_argument("--compile", action="store_true")
    a = parser.parse_args()
    settings = SETTINGS[a.network]
    batch, size, classes = a.batch or settings["batch"], settings["size"], settings["classes"]

    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    on_gpu = a.device == "cuda"
    # Its fastest algorithms, found by trying; they are found while warming up.
    torch.backends.cudnn.benchmark = True
    layout = torch.channels_last if a.layout == "nhwc" else torch.contiguous_format
    net = getattr(torch_networks, a.network)(a.experts, classes).to(a.device, memory_format=layout)
    run = torch.compile(net) if a.compile else net
    priors = log_prior(classes, settings["largest"], settings["ratio"]).to(a.device)
    tau = torch.linspace(0, settings["tau"], a.experts, device=a.device)
    host = torch.randn(batch, 3, size, size).to(memory_format=layout)
    labels = torch.randint(0, classes, (batch,))
    if on_gpu:
        host, labels = host.pin_memory(), labels.pin_memory()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    autocast = torch.autocast(a.device, dtype=torch.bfloat16, enabled=a.amp)
    there = lambda values: values.to(a.device, non_blocking=True)

    def train():
        images, first = there(host), there(labels)
        weight = float(np.random.beta(settings["alpha"], settings["alpha"]))
        other = torch.randperm(batch, device=a.device)
        optimizer.zero_grad(set_to_none=True)
        with autocast:
            logits = run(weight * images + (1 - weight) * images[other]).float()
        loss = 0
        for expert in range(a.experts):
            adjusted = logits[expert] + tau[expert] * priors
            loss = loss + weight * F.cross_entropy(adjusted, first) + (1 - weight) * F.cross_entropy(adjusted, first[other])
        loss = loss / a.experts
        loss.backward()
        optimizer.step()
        return loss

    def evaluate():
        with torch.no_grad(), autocast:
            return run(there(host)).mean(0)

    net.train(a.work == "train")
    step = train if a.work == "train" else evaluate
    seconds = []
    for repeat in range(a.repeats + 3):
        start = time.perf_counter()
        # What is asked for has to be waited for.
        step().detach().cpu()
        if repeat >= 3:
            seconds.append(time.perf_counter() - start)
    rates = sorted(batch / s for s in seconds)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({
        "name": a.work,
        "images_per_s_median": round(statistics.median(rates), 1),
        "images_per_s_best": round(rates[-1], 1),
        "repeats": len(rates),
        "peak_rss_mib": round(memory, 1),
        "network": a.network,
        "image": [size, size],
        "experts": a.experts,
        "batch": batch,
        "precision": "bf16" if a.amp else "f32",
        "device": torch.cuda.get_device_name() if on_gpu else "cpu",
        "threads": a.threads,
        "layout": a.layout,
        "compiled": a.compile,
        "torch": torch.__version__,
    }))


if __name__ == "__main__":
    main()
