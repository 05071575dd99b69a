#!/usr/bin/env python3
"""The PyTorch side of the speed comparison: the reference's networks and step, written plainly.

  python3 torch_step.py train|eval [--network resnet32|resnet50] [--experts 3] [--batch 128] [--threads 2] [--repeats 9]
                        [--layout nhwc|nchw] [--device cpu|cuda] [--amp] [--compile]

Prints one JSON object with the fields of `balpoe bench train|eval --json`. --amp computes convolutions in bf16. Needs torch and
numpy. Both sides do the same work. On the processor a repeat ends when its result is there. On a GPU, images of ResNet-32 lie
there, as those of CIFAR do; those of ResNet-50 are brought as bytes, from memory that the GPU reads by itself, and normalised
there; and a repeat of training begins a step and ends when the loss of the one before is there.
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
    images_of = (batch, 3, size, size)
    bytes_stay = on_gpu and a.network == "resnet32"
    labels = torch.randint(0, classes, (batch,))
    if on_gpu:
        host = torch.randint(0, 256, images_of, dtype=torch.uint8).to(memory_format=layout).pin_memory()
        labels = labels.pin_memory()
        kept = host.to(a.device)
    else:
        host = torch.randn(images_of).to(memory_format=layout)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    autocast = torch.autocast(a.device, dtype=torch.bfloat16, enabled=a.amp)

    def there():
        if not on_gpu:
            return host
        pixels = kept if bytes_stay and a.work == "train" else host.to(a.device, non_blocking=True)
        return (pixels.float() / 255 - 0.5) / 0.25

    def train():
        images, first = there(), labels.to(a.device, non_blocking=True)
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
            return run(there()).mean(0)

    net.train(a.work == "train")
    step = train if a.work == "train" else evaluate
    late = on_gpu and a.work == "train"
    seconds, before = [], None
    for repeat in range(a.repeats + 3):
        start = time.perf_counter()
        begun = step().detach()
        if late:
            begun = begun.to("cpu", non_blocking=True), torch.cuda.Event()
            begun[1].record()
        # What is asked for has to be waited for, on a GPU a step later.
        if not late:
            begun.cpu()
        elif before:
            before[1].synchronize()
        before = begun
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
