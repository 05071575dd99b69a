#!/usr/bin/env python3
"""The PyTorch side of the comparison of input pipelines: torchvision's transforms in a DataLoader, written plainly.

  python3 torch_input.py input --list LIST --root DIR [--workers 1] [--times 1] [--repeats 5] [--augment standard|randaugment|none]
  python3 torch_input.py cifar-input --data DIR [--workers 1] [--repeats 5] [--augment standard|autoaugment]

Prints one JSON object with the fields of `balpoe bench input --json`. Needs torch, torchvision, numpy and Pillow.
"""
import argparse
import json
import os
import pathlib
import resource
import statistics
import time

import numpy as np
import torch
from PIL import Image
from torchvision import transforms as T

IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
CIFAR10 = ([0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010])


class Photographs(torch.utils.data.Dataset):
    def __init__(self, a):
        jitter = T.ColorJitter(0.4, 0.4, 0.4, 0)
        extra = {"none": [], "standard": [jitter], "randaugment": [jitter, T.RandAugment(2, 10)]}[a.augment]
        crop = [T.RandomResizedCrop(224), T.RandomHorizontalFlip()]
        self.transform = T.Compose([*crop, *extra, T.ToTensor(), T.Normalize(*IMAGENET)])
        lines = [line.split() for line in pathlib.Path(a.list).read_text().splitlines() if line.strip()]
        self.files = [(os.path.join(a.root, path), int(label)) for path, label in lines] * a.times

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        path, label = self.files[i]
        return self.transform(Image.open(path).convert("RGB")), label


class Cifar(torch.utils.data.Dataset):
    def __init__(self, a):
        extra = {"standard": T.RandomRotation(15), "autoaugment": T.AutoAugment(T.AutoAugmentPolicy.CIFAR10)}[a.augment]
        crop = [T.RandomCrop(32, padding=4), T.RandomHorizontalFlip()]
        self.transform = T.Compose([*crop, extra, T.ToTensor(), T.Normalize(*CIFAR10)])
        records = np.fromfile(os.path.join(a.data, "cifar-100-binary", "train.bin"), np.uint8).reshape(-1, 3074)
        self.images = records[:10847, 2:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).copy()

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return self.transform(Image.fromarray(self.images[i]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["input", "cifar-input"])
    parser.add_argument("--list")
    parser.add_argument("--root")
    parser.add_argument("--data")
    parser.add_argument("--augment", default="standard")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    a = parser.parse_args()

    torch.set_num_threads(1)
    data, batch = (Photographs(a), 64) if a.what == "input" else (Cifar(a), 128)
    loader = torch.utils.data.DataLoader(data, batch_size=batch, num_workers=a.workers, persistent_workers=a.workers > 0)
    rates = []
    for repeat in range(a.repeats + 1):
        start = time.perf_counter()
        for _ in loader:
            pass
        if repeat > 0:
            rates.append(len(data) / (time.perf_counter() - start))
    print(
        json.dumps(
            {
                "name": f"{a.what}-{a.augment}",
                "images_per_s_median": round(statistics.median(rates), 1),
                "images_per_s_best": round(max(rates), 1),
                "repeats": len(rates),
                "peak_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
                "workers": a.workers,
                "torch": torch.__version__,
            }
        )
    )


if __name__ == "__main__":
    main()
