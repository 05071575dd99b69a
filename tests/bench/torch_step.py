#!/usr/bin/env python3
"""The PyTorch side of the speed comparison: the reference's network and step, written plainly.

  python3 torch_step.py train|eval [--experts 3] [--threads 2] [--batch 128] [--layout nhwc|nchw] [--repeats 9]

Prints one JSON object with the fields of `balpoe bench train|eval --json`. Needs torch and numpy.
"""
import argparse
import json
import resource
import statistics
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    def __init__(self, before, after, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.stride, self.pad = stride, (after - before) // 2

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.stride > 1:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.pad, self.pad))
        return F.relu(y + x)


def stage(before, after, stride):
    return nn.Sequential(Block(before, after, stride), *[Block(after, after, 1) for _ in range(4)])


class ResNet32(nn.Module):
    """Stem and first stage shared; second and third stage and cosine head for each expert."""

    def __init__(self, experts, classes=100):
        super().__init__()
        self.shared = nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), stage(16, 16, 1))
        branch = lambda: nn.Sequential(stage(16, 32, 2), stage(32, 64, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.branches = nn.ModuleList([branch() for _ in range(experts)])
        self.heads = nn.ParameterList([nn.Parameter(torch.randn(classes, 64)) for _ in range(experts)])

    def forward(self, x):
        x = self.shared(x)
        logits = [30 * F.linear(F.normalize(b(x)), F.normalize(w)) for b, w in zip(self.branches, self.heads)]
        return torch.stack(logits)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("work", choices=["train", "eval"])
    parser.add_argument("--experts", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--layout", choices=["nhwc", "nchw"], default="nhwc")
    parser.add_argument("--repeats", type=int, default=9)
    a = parser.parse_args()

    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    layout = torch.channels_last if a.layout == "nhwc" else torch.contiguous_format
    net = ResNet32(a.experts).to(memory_format=layout)
    counts = torch.tensor([int(500 * 0.01 ** (c / 99)) for c in range(100)], dtype=torch.float32)
    log_prior = (counts / counts.sum()).log()
    tau = torch.linspace(0, 2, a.experts)
    images = torch.randn(a.batch, 3, 32, 32).to(memory_format=layout)
    labels = torch.randint(0, 100, (a.batch,))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)

    def train():
        weight = float(np.random.beta(0.4, 0.4))
        other = torch.randperm(a.batch)
        optimizer.zero_grad(set_to_none=True)
        logits = net(weight * images + (1 - weight) * images[other])
        loss = 0
        for expert in range(a.experts):
            adjusted = logits[expert] + tau[expert] * log_prior
            loss = loss + weight * F.cross_entropy(adjusted, labels) + (1 - weight) * F.cross_entropy(adjusted, labels[other])
        (loss / a.experts).backward()
        optimizer.step()

    def evaluate():
        with torch.no_grad():
            net(images).mean(0)

    net.train(a.work == "train")
    step = train if a.work == "train" else evaluate
    seconds = []
    for repeat in range(a.repeats + 3):
        start = time.perf_counter()
        step()
        if repeat >= 3:
            seconds.append(time.perf_counter() - start)
    rates = sorted(a.batch / s for s in seconds)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({
        "name": a.work,
        "images_per_s_median": round(statistics.median(rates), 1),
        "images_per_s_best": round(rates[-1], 1),
        "repeats": len(rates),
        "peak_rss_mib": round(memory, 1),
        "experts": a.experts,
        "batch": a.batch,
        "threads": a.threads,
        "layout": a.layout,
        "torch": torch.__version__,
    }))


if __name__ == "__main__":
    main()
