"""Learning rates of each epoch, by PyTorch's own schedulers: makes schedules.json.

Made with Python 3.11.7, PyTorch 2.15.0. Run: python schedules.py
"""

import json
import math
from pathlib import Path

import torch


def rates(base, epochs, scheduler):
    """The rate that every epoch trains with; the scheduler moves once, after the epoch."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base)
    schedule = scheduler(optimizer)
    seen = []
    for _ in range(epochs):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return seen


def step(base, epochs, first, second, warmup, gamma=0.1):
    """Two drops and a linear warm-up, on the epoch number counted from 0."""

    def factor(epoch):
        dropped = 1.0 if epoch < first else gamma if epoch < second else gamma * gamma
        return dropped * (epoch + 1) / warmup if epoch < warmup else dropped

    found = rates(base, epochs, lambda o: torch.optim.lr_scheduler.LambdaLR(o, factor))
    return {
        "kind": "step", "base": base, "epochs": epochs, "steps": [first, second], "gamma": gamma,
        "warmup": warmup, "rates": found,
    }  # fmt: skip


def cosine(base, epochs):
    """Half a cosine from `base` to 0. PyTorch's is recursive; the closed form is stored, the gap is checked."""
    recursive = rates(base, epochs, lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=epochs))
    closed = [base * (1 + math.cos(math.pi * t / epochs)) / 2 for t in range(epochs)]
    gap = max(abs(a - b) / b for a, b in zip(recursive, closed))
    assert gap < 1e-11, gap
    print(f"cosine {base} over {epochs}: recursive and closed form differ by {gap:.1e}")
    return {"kind": "cosine", "base": base, "epochs": epochs, "minimum": 0.0, "rates": closed}


schedules = {
    "cifar-short": step(0.1, 20, 16, 18, warmup=2),
    "cifar-standard": step(0.1, 200, 160, 180, warmup=5),
    "cifar-long": step(0.1, 400, 320, 360, warmup=10),
    "warmup-across-a-drop": step(0.2, 10, 3, 6, warmup=4, gamma=0.2),
    "cosine-short": cosine(0.1, 20),
    "imagenet-lt-standard": cosine(0.025, 180),
    "inaturalist-standard": cosine(0.2, 100),
    "imagenet-lt-long": cosine(0.025, 400),
}

# Figures that the published logs and the paper's settings give for the step schedules.
standard = schedules["cifar-standard"]["rates"]
assert [round(r, 12) for r in standard[:6]] == [0.02, 0.04, 0.06, 0.08, 0.1, 0.1]
assert [round(standard[e - 1], 12) for e in (160, 161, 180, 181, 200)] == [0.1, 0.01, 0.01, 0.001, 0.001]
long = schedules["cifar-long"]["rates"]
assert [round(long[e - 1], 12) for e in (1, 2, 10, 320, 321, 360, 361)] == [0.01, 0.02, 0.1, 0.1, 0.01, 0.01, 0.001]

lines = [f"  {json.dumps(name)}: {json.dumps(schedule)}" for name, schedule in schedules.items()]
made = {"made_by": "schedules.py", "torch": torch.__version__.split("+")[0]}
text = "{\n" + f'  "about": {json.dumps(made)},\n' + ",\n".join(lines) + "\n}\n"
Path(__file__).with_name("schedules.json").write_text(text)
