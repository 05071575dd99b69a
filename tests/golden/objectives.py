"""Values and gradients of objectives and of the cosine head, in float64: makes objectives.json.

Made with Python 3.11.7, NumPy 2.4.6, PyTorch 2.15.0. Run: python objectives.py

Sources: balanced softmax, Ren et al. 2020, eq. 3-4; logit adjustment, Menon et al. 2021, eq. 10; balanced experts,
Sanchez Aimar et al. 2023; label smoothing, Szegedy et al. 2016; mixup, Zhang et al. 2018.
"""

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from fixed import long_tailed_counts, symmetric

torch.set_default_dtype(torch.float64)
EPS = 1e-9


def log_prior(counts, eps=0.0):
    counts = torch.tensor(counts, dtype=torch.float64)
    return torch.log(counts / counts.sum() + eps)


# Every objective maps logits [experts, batch, classes] and labels [batch] to one loss per expert.


def cross_entropy(logits, labels, counts):
    return torch.stack([F.cross_entropy(z, labels) for z in logits])


def label_smoothing(logits, labels, counts, smoothing):
    return torch.stack([F.cross_entropy(z, labels, label_smoothing=smoothing) for z in logits])


def balanced_softmax(logits, labels, counts):
    """The definition: a softmax whose terms are weighted by the class counts."""
    weighted = torch.exp(logits) * torch.tensor(counts, dtype=torch.float64)
    probability = weighted / weighted.sum(-1, keepdim=True)
    picked = probability[:, torch.arange(len(labels)), labels]
    return -torch.log(picked).mean(-1)


def logit_adjustment(logits, labels, counts, tau):
    return cross_entropy(logits + tau * log_prior(counts), labels, counts)


def balanced_experts(logits, labels, counts, tau):
    assert len(tau) == len(logits)
    shifted = [z + t * log_prior(counts, EPS) for z, t in zip(logits, tau)]
    return torch.stack([F.cross_entropy(z, labels) for z in shifted])


OBJECTIVES = {
    "cross-entropy": cross_entropy,
    "label-smoothing": label_smoothing,
    "balanced-softmax": balanced_softmax,
    "logit-adjustment": logit_adjustment,
    "balanced-experts": balanced_experts,
}


def evaluate(objective, logits, labels, counts, mixed=None, **parameters):
    """Loss of every expert; with `mixed` = (partner labels, lambda) as mixup weighs the two losses."""
    loss = lambda y: OBJECTIVES[objective](logits, torch.tensor(y), counts, **parameters)
    if mixed is None:
        return loss(labels)
    partners, weight = mixed
    return weight * loss(labels) + (1 - weight) * loss(partners)


def case(objective, logits, labels, counts, mixed=None, **parameters):
    """One stored case: inputs, the loss (mean over experts), the experts' losses, the gradient of the loss."""
    run = lambda z: evaluate(objective, z, labels, counts, mixed, **parameters)
    logits = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
    experts = run(logits)
    experts.mean().backward()
    check_gradient(lambda z: run(z).mean(), logits)
    stored = {"objective": objective, "parameters": parameters, "counts": counts, "labels": labels}
    if mixed is not None:
        stored |= {"partner_labels": mixed[0], "lambda": mixed[1]}
    return stored | {
        "logits": logits.tolist(),
        "loss": experts.mean().item(),
        "expert_losses": experts.tolist(),
        "gradient": logits.grad.tolist(),
    }


def check_gradient(function, tensor, step=1e-6):
    """Central differences at every entry."""
    flat = tensor.detach().clone().flatten()
    differences = torch.empty_like(flat)
    for i in range(len(flat)):
        ends = []
        for sign in (1, -1):
            moved = flat.clone()
            moved[i] += sign * step
            ends.append(function(moved.view_as(tensor)).item())
        differences[i] = (ends[0] - ends[1]) / (2 * step)
    scale = tensor.grad.abs().max().item()
    gap = (differences - tensor.grad.flatten()).abs().max().item() / scale
    assert gap < 1e-7, gap
    return gap


def objective_cases():
    experts, batch = 3, 5
    counts = [500, 171, 58, 20, 7, 2]
    logits = (4 * symmetric(0, experts, batch, len(counts)).astype(np.float64)).tolist()
    labels, partners, weight = [0, 5, 3, 1, 5], [1, 0, 5, 5, 3], 0.3
    plain = dict(logits=logits, labels=labels, counts=counts)
    mixed = dict(plain, mixed=(partners, weight))
    settings = [
        ("cross-entropy", {}),
        ("label-smoothing", {"smoothing": 0.1}),
        ("balanced-softmax", {}),
        ("logit-adjustment", {"tau": 1.0}),
        ("logit-adjustment", {"tau": 1.5}),
        ("balanced-experts", {"tau": [0.0, 1.0, 2.0]}),
        ("balanced-experts", {"tau": [-1.0, 1.0, 3.0]}),
    ]
    cases = [case(name, **inputs, **parameters) for inputs in (plain, mixed) for name, parameters in settings]

    # Confident logits, as a cosine head with scale 30 gives them, and a class without training images.
    steep = (30 * symmetric(1, experts, batch, len(counts)).astype(np.float64)).tolist()
    cases.append(case("balanced-experts", steep, labels, [500, 171, 58, 20, 7, 0], tau=[0.0, 1.0, 2.0]))

    # The prior of CIFAR-100-LT at imbalance ratio 100.
    many = (8 * symmetric(2, experts, 2, 100).astype(np.float64)).tolist()
    long = long_tailed_counts()
    cases.append(case("balanced-experts", many, [3, 98], long, mixed=([98, 40], 0.3), tau=[0.0, 1.0, 2.0]))
    return cases


def check_identities(cases):
    """What must hold between cases, and figures that were computed before and elsewhere."""
    by = lambda name, mixed, i=0: [c for c in cases[:14] if c["objective"] == name and ("lambda" in c) == mixed][i]
    for mixed in (False, True):
        balanced, adjusted = by("balanced-softmax", mixed), by("logit-adjustment", mixed)
        assert np.allclose(balanced["gradient"], adjusted["gradient"], rtol=0, atol=1e-14)
        assert abs(balanced["loss"] - adjusted["loss"]) < 1e-13
    # Mixup of two labels is cross-entropy with soft labels.
    soft = by("cross-entropy", True)
    z, targets = torch.tensor(soft["logits"]), torch.zeros(5, 6)
    for row, (a, b) in enumerate(zip(soft["labels"], soft["partner_labels"])):
        targets[row, a] += soft["lambda"]
        targets[row, b] += 1 - soft["lambda"]
    same = torch.stack([F.cross_entropy(e, targets) for e in z]).mean().item()
    assert abs(same - soft["loss"]) < 1e-13

    z = torch.tensor([[[0.5 * (e + 1) * c * (1 - 2 * b) + 0.1 * b * c * c for c in range(3)] for b in range(2)]
                      for e in range(3)])  # fmt: skip
    few = [100, 10, 1]
    expected = {
        (0, 1, 2): ([1.5386928279, 3.2719443782, 5.9292863475], 3.5799745179),
        (0, 1.25, 2.5): ([1.5386928279, 3.7710018204, 7.0639881612], 4.1245609365),
        (-1, 1, 3): ([2.8994313107, 3.2719443782, 8.2101242706], 4.7938333198),
    }
    for tau, (losses, total) in expected.items():
        found = evaluate("balanced-experts", z, [0, 2], few, tau=tau)
        assert np.allclose(found, losses, rtol=0, atol=1e-10) and abs(found.mean() - total) < 1e-10
    mixed = evaluate("balanced-experts", z, [0, 2], few, mixed=([1, 0], 0.3), tau=(0, 1, 2)).mean()
    assert abs(mixed - 1.8640697703) < 1e-10
    assert abs(F.cross_entropy(z.mean(0), torch.tensor([0, 2])) - 2.2414435024) < 1e-10


def cosine(features, weight, scale):
    """Scaled cosine of features [batch, width] with the classes' columns [width, classes]."""
    return scale * F.normalize(features, dim=1, eps=1e-12) @ F.normalize(weight, dim=0, eps=1e-12)


def cosine_case(features, weight, scale, upstream):
    features, weight = (torch.tensor(t, dtype=torch.float64, requires_grad=True) for t in (features, weight))
    upstream = torch.tensor(upstream, dtype=torch.float64)
    logits = cosine(features, weight, scale)
    (logits * upstream).sum().backward()
    check_gradient(lambda f: (cosine(f, weight.detach(), scale) * upstream).sum(), features)
    check_gradient(lambda w: (cosine(features.detach(), w, scale) * upstream).sum(), weight)
    # The output does not depend on lengths, so gradients are orthogonal to what they belong to.
    assert (features.grad * features).sum(1).abs().max() < 1e-12
    assert (weight.grad * weight).sum(0).abs().max() < 1e-12
    return {
        "scale": scale,
        "features": features.tolist(),
        "weight": weight.tolist(),
        "logits": logits.tolist(),
        "upstream": upstream.tolist(),
        "features_gradient": features.grad.tolist(),
        "weight_gradient": weight.grad.tolist(),
    }


def cosine_cases():
    small = cosine_case([[3.0, 4.0]], [[1.0, 0.0, 2.0], [0.0, 5.0, 2.0]], 30.0, [[1.0, -0.5, 0.25]])
    assert np.allclose(small["logits"], [[18, 24, 29.6984848]], rtol=0, atol=1e-7)
    sizes = enumerate([(4, 8), (8, 7), (4, 7)], start=3)
    features, weight, upstream = (symmetric(stream, *size).astype(np.float64) for stream, size in sizes)
    features[1] /= 16
    weight[:, 2] *= 16
    return [small, cosine_case(features.tolist(), weight.tolist(), 30.0, upstream.tolist())]


cases = objective_cases()
check_identities(cases)
made = {
    "about": {"made_by": "objectives.py", "torch": torch.__version__.split("+")[0], "prior_eps": EPS},
    "objectives": cases,
    "cosine": cosine_cases(),
}
lines = lambda items: "[\n" + ",\n".join(f"    {json.dumps(item)}" for item in items) + "\n  ]"
text = (
    "{\n"
    + f'  "about": {json.dumps(made["about"])},\n'
    + f'  "objectives": {lines(made["objectives"])},\n'
    + f'  "cosine": {lines(made["cosine"])}\n'
    + "}\n"
)
Path(__file__).with_name("objectives.json").write_text(text)
