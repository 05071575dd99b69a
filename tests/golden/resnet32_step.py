"""Two training steps of ResNet-32 with three experts, in float64: makes resnet32_step.safetensors.

Made with Python 3.11.7, NumPy 2.4.6, PyTorch 2.15.0 (CPU), safetensors 0.8.0. Run: python resnet32_step.py

An implementation of its own of the network and the loss of the paper (shared stem and first stage, second and third
stage and cosine head per expert, balanced-experts loss on a mixed-up batch); only convolution, batch norm, automatic
differentiation and SGD are PyTorch's. README.md beside this file says how the inputs are regenerated.
"""

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

from fixed import long_tailed_counts, symmetric

EXPERTS, CLASSES, BATCH, BLOCKS = 3, 100, 4, 5
SCALE, TAU, EPS = 30.0, (0.0, 1.0, 2.0), 1e-9
LABELS, PARTNERS, WEIGHT = [0, 37, 99, 63], [2, 0, 3, 1], 0.3125
RATE, MOMENTUM, DECAY = 0.1, 0.9, 5e-4
PROJECTION, COARSE, FINE = 1000, 2262, 2263
GAP = 8e-5

FULL_GRADIENTS = [
    "bn1.weight", "bn1.bias", "conv1.weight", "layer1.2.conv1.weight", "layer2s.1.0.conv1.weight",
    "layer2s.0.4.bn2.weight", "layer3s.0.0.bn1.bias", "linears.0.weight", "linears.1.weight", "linears.2.weight",
]  # fmt: skip
SLICED_GRADIENT, SLICE = "layer3s.2.4.conv2.weight", 8
RUNNING = ["bn1", "layer2s.1.0.bn1", "layer3s.2.4.bn2"]


# The fixed inputs, all float32.


def shapes():
    """Shape of every trainable tensor by name."""
    found = {"conv1.weight": (16, 3, 3, 3)} | norm("bn1", 16) | stage("layer1", 16, 16)
    for e in range(EXPERTS):
        found |= stage(f"layer2s.{e}", 16, 32) | stage(f"layer3s.{e}", 32, 64)
        found[f"linears.{e}.weight"] = (64, CLASSES)
    return dict(sorted(found.items()))


def norm(name, width):
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def stage(name, width_in, width):
    found = {}
    for b in range(BLOCKS):
        found[f"{name}.{b}.conv1.weight"] = (width, width if b else width_in, 3, 3)
        found[f"{name}.{b}.conv2.weight"] = (width, width, 3, 3)
        found |= norm(f"{name}.{b}.bn1", width) | norm(f"{name}.{b}.bn2", width)
    return found


def initial(name, stream, shape):
    numbers = symmetric(stream, *shape)
    if len(shape) == 4:
        return numbers * np.float32(math.sqrt(6 / math.prod(shape[1:])))
    if len(shape) == 2:
        return numbers * np.float32(0.125)
    if name.endswith(".weight"):
        return numbers * np.float32(0.125) + np.float32(1)
    # Far from zero, so that next to no ReLU stands at its kink, where the gradient would depend on rounding.
    sign = np.where(np.arange(shape[0]) % 4 == 3, np.float32(-1), np.float32(1))
    return sign * (numbers * np.float32(0.25) + np.float32(3))


def images():
    """Blocks of 8x8 pixels with noise on them, so that the images of a batch differ as real ones do."""
    coarse = symmetric(COARSE, BATCH, 3, 4, 4).repeat(8, axis=2).repeat(8, axis=3)
    return np.float32(2) * coarse + np.float32(0.5) * symmetric(FINE, BATCH, 3, 32, 32)


def inputs_digest():
    """SHA-256 of all parameters in order of their names, then the images, as little-endian float32."""
    tensors = [initial(name, stream, shape) for stream, (name, shape) in enumerate(shapes().items())]
    return hashlib.sha256(b"".join(t.astype("<f4").tobytes() for t in [*tensors, images()])).hexdigest()


# The network.


class Jitter(torch.autograd.Function):
    """Adds noise of a relative size to a value and to its gradient: what a convolution's rounding errors do."""

    @staticmethod
    def forward(context, value, size):
        context.size = size
        return noisy(value, size)

    @staticmethod
    def backward(context, gradient):
        return noisy(gradient, context.size), None


def noisy(value, size):
    return value + size * value.square().mean().sqrt() * torch.randn_like(value)


class Network:
    def __init__(self, dtype, jitter=0.0):
        self.dtype, self.jitter = dtype, jitter
        self.parameters = {
            name: torch.tensor(initial(name, stream, shape), dtype=dtype, requires_grad=True)
            for stream, (name, shape) in enumerate(shapes().items())
        }
        biases = {name: shape for name, shape in shapes().items() if name.endswith(".bias")}
        self.means = {name.removesuffix(".bias"): torch.zeros(shape, dtype=dtype) for name, shape in biases.items()}
        self.variances = {name: torch.ones_like(mean) for name, mean in self.means.items()}
        self.training = True
        self.gap = math.inf

    def convolution(self, x, name, stride=1):
        y = F.conv2d(x, self.parameters[f"{name}.weight"], stride=stride, padding=1)
        return Jitter.apply(y, self.jitter) if self.jitter and self.training else y

    def norm(self, x, name):
        weight, bias = self.parameters[f"{name}.weight"], self.parameters[f"{name}.bias"]
        mean, variance = self.means[name], self.variances[name]
        return F.batch_norm(x, mean, variance, weight, bias, self.training, momentum=0.1, eps=1e-5)

    def relu(self, x):
        self.gap = min(self.gap, x.detach().abs().min().item())
        return F.relu(x)

    def block(self, x, name, stride):
        y = self.relu(self.norm(self.convolution(x, f"{name}.conv1", stride), f"{name}.bn1"))
        y = self.norm(self.convolution(y, f"{name}.conv2"), f"{name}.bn2")
        if y.shape != x.shape:
            side = (y.shape[1] - x.shape[1]) // 2
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, side, side))
        return self.relu(y + x)

    def stage(self, x, name, stride):
        for b in range(BLOCKS):
            x = self.block(x, f"{name}.{b}", stride if b == 0 else 1)
        return x

    def __call__(self, x):
        """Features [experts, batch, 64] and logits [experts, batch, classes] of images [batch, 3, 32, 32]."""
        x = self.relu(self.norm(self.convolution(x, "conv1"), "bn1"))
        x = self.stage(x, "layer1", 1)
        features, logits = [], []
        for e in range(EXPERTS):
            y = self.stage(self.stage(x, f"layer2s.{e}", 2), f"layer3s.{e}", 2)
            feature = y.mean((2, 3))
            weight = self.parameters[f"linears.{e}.weight"]
            features.append(feature)
            logits.append(SCALE * F.normalize(feature, dim=1) @ F.normalize(weight, dim=0))
        return torch.stack(features), torch.stack(logits)

    def losses(self, logits, labels):
        """Balanced-experts loss of every expert."""
        counts = torch.tensor(long_tailed_counts(), dtype=self.dtype)
        bias = torch.log(counts / counts.sum() + EPS)
        return torch.stack([F.cross_entropy(z + t * bias, labels) for z, t in zip(logits, TAU)])

    def forward(self):
        """Features, logits and expert losses of the mixed-up batch."""
        x, labels, partners = torch.tensor(images(), dtype=self.dtype), torch.tensor(LABELS), torch.tensor(PARTNERS)
        features, logits = self(WEIGHT * x + (1 - WEIGHT) * x[partners])
        experts = WEIGHT * self.losses(logits, labels) + (1 - WEIGHT) * self.losses(logits, labels[partners])
        return features, logits, experts


# What is stored.


def projection(index, tensor):
    fixed = symmetric(PROJECTION + index, *tensor.shape).astype(np.float64)
    return float((fixed * tensor.detach().double().numpy()).sum())


def length(tensor):
    return float(tensor.detach().double().norm())


def per_parameter(function, tensors):
    return np.array([function(i, t) for i, t in enumerate(tensors)])


def record(network):
    """Runs two training steps; everything that a test may compare, float64."""
    parameters = list(network.parameters.values())
    start = [p.detach().clone() for p in parameters]
    sgd = torch.optim.SGD(parameters, lr=RATE, momentum=MOMENTUM, nesterov=True, weight_decay=DECAY)
    found = {}
    for step in ("step1", "step2"):
        sgd.zero_grad()
        features, logits, experts = network.forward()
        experts.mean().backward()
        gradients = [p.grad for p in parameters]
        found |= {
            f"{step}.features": features,
            f"{step}.logits": logits,
            f"{step}.expert_losses": experts,
            f"{step}.loss": experts.mean(),
            f"{step}.gradient_norm": per_parameter(lambda i, g: length(g), gradients),
            f"{step}.gradient_projection": per_parameter(projection, gradients),
        }
        if step == "step1":
            found |= {f"step1.gradient.{n}": network.parameters[n].grad.clone() for n in FULL_GRADIENTS}
            found[f"step1.gradient.{SLICED_GRADIENT}"] = network.parameters[SLICED_GRADIENT].grad[:SLICE].clone()
        sgd.step()
        moved = [p.detach() - s for p, s in zip(parameters, start)]
        found |= {
            f"{step}.change_norm": per_parameter(lambda i, m: length(m), moved),
            f"{step}.change_projection": per_parameter(projection, moved),
        }
        found |= {f"{step}.running_mean.{n}": network.means[n].clone() for n in RUNNING}
        found |= {f"{step}.running_var.{n}": network.variances[n].clone() for n in RUNNING}
    print(f"{network.dtype}, jitter {network.jitter}: the smallest input of a ReLU in training is {network.gap:.1e}")
    assert network.gap > GAP or network.jitter or network.dtype != torch.float64, network.gap
    network.training = False
    with torch.no_grad():
        found["after.logits"] = network(torch.tensor(images(), dtype=network.dtype))[1]
    return {
        name: np.asarray(t.detach().numpy() if isinstance(t, torch.Tensor) else t, dtype=np.float64)
        for name, t in found.items()
    }


def deviations(reference, other):
    """Largest error of every record: of a tensor relative to its largest value; of a norm or projection relative to
    the norm of the tensor that it was taken of."""
    found = {}
    for name, exact in reference.items():
        if name.endswith(("_norm", "_projection")):
            unit = reference[name.rsplit("_", 1)[0] + "_norm"]
        else:
            unit = np.abs(exact).max()
        found[name] = float(f"{(np.abs(other[name] - exact) / unit).max():.2g}")
    return found


def check_gradients(network, step=1e-5, entries=4):
    """Central differences at a few entries of every kind of parameter."""
    network.forward()[2].mean().backward()
    worst = 0.0
    for name in FULL_GRADIENTS + [SLICED_GRADIENT, "layer2s.2.0.conv1.weight", "layer3s.1.3.bn1.weight"]:
        parameter = network.parameters[name]
        values, scale = parameter.detach().view(-1), parameter.grad.abs().max().item()
        for i in range(0, len(values), max(1, len(values) // entries)):
            kept, ends = values[i].item(), []
            for sign in (1, -1):
                values[i] = kept + sign * step
                with torch.no_grad():
                    ends.append(network.forward()[2].mean().item())
            values[i] = kept
            worst = max(worst, abs((ends[0] - ends[1]) / (2 * step) - parameter.grad.view(-1)[i].item()) / scale)
    print(f"gradients and central differences differ by {worst:.1e} of the largest entry")
    assert worst < 1e-5, worst


if __name__ == "__main__":
    torch.manual_seed(0)
    assert len(shapes()) == 216 and sum(map(math.prod, shapes().values())) == 1_362_064
    assert sum(long_tailed_counts()) == 10_847
    check_gradients(Network(torch.float64))
    reference = record(Network(torch.float64))
    doubt = {"f32": deviations(reference, record(Network(torch.float32)))}
    for size in (1e-6, 3e-6, 1e-5):
        doubt[f"jitter {size:.0e}"] = deviations(reference, record(Network(torch.float64, size)))
    print(f"{'largest deviation of':44}" + "".join(f"{kind:>14}" for kind in doubt))
    for name in reference:
        print(f"{name:44}" + "".join(f"{kind[name]:14.1e}" for kind in doubt.values()))
    about = {
        "made_by": "resnet32_step.py",
        "torch": torch.__version__.split("+")[0],
        "parameters": list(shapes()),
        "inputs_sha256": inputs_digest(),
        "deviations": doubt,
    }
    path = Path(__file__).with_name("resnet32_step.safetensors")
    save_file({n: np.ascontiguousarray(t) for n, t in reference.items()}, path, {"about": json.dumps(about)})
    path.chmod(0o644)
