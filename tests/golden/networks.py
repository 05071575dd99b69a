"""Features and logits of networks for large images, from PyTorch and torchvision.

Writes networks.safetensors beside itself. Weights are fixed numbers (see README.md), so only results are stored.

Made with Python 3.11.7, NumPy 2.4.6, PyTorch 2.15.0 and torchvision 0.29.2 (CPU), safetensors 0.8.0. Run: python networks.py

The networks with experts are an implementation of their own under the reference's parameter names; ResNet-50 is torchvision's.
"""

import hashlib
import json
import math
import pathlib

import torch
import torchvision
from safetensors.numpy import save_file
from torch import nn

from fixed import symmetric

IMAGES = 9000
CLASSES = 10


class Basic(nn.Module):
    def __init__(self, channels, width, stride):
        super().__init__()
        self.out = width
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = projection(channels, width, stride)

    def forward(self, x):
        y = self.conv1(x)
        y = self.conv2(self.bn1(y).relu())
        return (self.bn2(y) + self.downsample(x)).relu()


class Bottleneck(nn.Module):
    def __init__(self, channels, width, stride, groups):
        super().__init__()
        inner = width if groups == 1 else groups * int(width * 4 / 64)
        self.out = 4 * width
        self.conv1 = nn.Conv2d(channels, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, 1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, self.out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(self.out)
        self.downsample = projection(channels, self.out, stride)

    def forward(self, x):
        y = self.bn1(self.conv1(x)).relu()
        y = self.bn2(self.conv2(y)).relu()
        return (self.bn3(self.conv3(y)) + self.downsample(x)).relu()


def projection(channels, out, stride):
    if stride == 1 and channels == out:
        return nn.Sequential()
    return nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))


class Cosine(nn.Module):
    def __init__(self, features, classes):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(features, classes))

    def forward(self, x):
        return 30 * nn.functional.normalize(x, dim=1) @ nn.functional.normalize(self.weight, dim=0)


class Experts(nn.Module):
    """A network with experts under the parameter names of the reference implementation."""

    def __init__(self, block, blocks, experts, widths, conv3=False, share_layer3=False):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False) if conv3 else nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.pool = nn.MaxPool2d(3, 2, 1)

        def stage(channels, place, width):
            layers = []
            for number in range(blocks[place]):
                layers.append(block(channels, width, 2 if number == 0 and place > 0 else 1))
                channels = layers[-1].out
            return nn.Sequential(*layers), channels

        self.layer1, channels = stage(64, 0, 64)
        self.layer2, channels = stage(channels, 1, 128)
        self.shared = share_layer3
        if share_layer3:
            self.layer3, channels = stage(channels, 2, widths[0])
        else:
            self.layer3s, channels = self.each(experts, lambda: stage(channels, 2, widths[0]))
        self.layer4s, channels = self.each(experts, lambda: stage(channels, 3, widths[1]))
        self.linears = nn.ModuleList(Cosine(channels, CLASSES) for _ in range(experts))

    @staticmethod
    def each(experts, make):
        made = [make() for _ in range(experts)]
        return nn.ModuleList(stage for stage, _ in made), made[0][1]

    def forward(self, x):
        x = self.pool(self.bn1(self.conv1(x)).relu())
        x = self.layer2(self.layer1(x))
        logits = []
        for expert, (layer4, linear) in enumerate(zip(self.layer4s, self.linears)):
            y = self.layer3(x) if self.shared else self.layer3s[expert](x)
            logits.append(linear(layer4(y).mean((2, 3))))
        return torch.stack(logits)


class Model(nn.Module):
    """What the reference's checkpoints hold: the network as `backbone`."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone

    def forward(self, x):
        return self.backbone(x)


def fill(model):
    """Fixed numbers for every tensor of the state; the stream is its place among the names in ascending order."""
    state = model.state_dict()
    for stream, name in enumerate(sorted(state)):
        tensor = state[name]
        if name.endswith("num_batches_tracked"):
            continue
        u = torch.from_numpy(symmetric(stream, *tensor.shape))
        if tensor.dim() == 4:
            value = u * torch.tensor(math.sqrt(6 / tensor[0].numel()), dtype=torch.float32)
        elif tensor.dim() == 2:
            value = u * 0.125
        elif name.endswith("running_var") or name.endswith("weight"):
            value = u * 0.125 + 1
        else:
            value = u * 0.125
        state[name] = value
    model.load_state_dict(state)
    return model.double().eval()


def images(side):
    return torch.from_numpy(symmetric(IMAGES, 2, 3, side, side)).double()


def listing(model):
    """SHA-256 of the lines `name [shape] dtype` of the state, sorted."""
    lines = [f"{name} {list(t.shape)} {str(t.dtype)[6:]}\n" for name, t in model.state_dict().items()]
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def main():
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    results, states = {}, {}

    resnet50 = fill(torchvision.models.resnet50())
    resnet50.fc = nn.Identity()
    results["torchvision.resnet50.features"] = resnet50(images(64))

    def grouped(channels, width, stride):
        return Bottleneck(channels, width, stride, 32)

    def plain(channels, width, stride):
        return Bottleneck(channels, width, stride, 1)

    cases = {
        "resnet34": (Experts(Basic, [3, 4, 6, 3], 1 + 1, (40, 48), conv3=True), 32),
        "resnet50": (Experts(plain, [3, 4, 6, 3], 3, (32, 40), share_layer3=True), 64),
        "resnext50": (Experts(grouped, [3, 4, 6, 3], 2, (64, 80)), 64),
    }
    for name, (backbone, side) in cases.items():
        model = Model(backbone)
        states[name] = listing(model)
        results[f"{name}.logits"] = fill(model)(images(side))
        # Rounding of the weights alone must not move the logits: a golden number that is chaotic holds nothing.
        again = model.float()(images(side).float()).double()
        error = (again - results[f"{name}.logits"]).abs().max().item()
        assert error < 1e-4, (name, error)
        print(name, "largest difference of PyTorch's float32:", error)

    about = json.dumps({"states": states})
    path = pathlib.Path(__file__).with_suffix(".safetensors")
    save_file({name: value.float().numpy() for name, value in results.items()}, path, metadata={"about": about})


if __name__ == "__main__":
    main()
