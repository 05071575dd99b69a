"""The reference's networks in plain PyTorch: the stages that experts share, and their own later stages and cosine heads."""
import torch
import torch.nn.functional as F
from torch import nn


def convolution(before, after, kernel, stride=1):
    return nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False)


class CifarBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut without parameters."""

    def __init__(self, before, after, stride):
        super().__init__()
        self.conv1 = convolution(before, after, 3, stride)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = convolution(after, after, 3)
        self.bn2 = nn.BatchNorm2d(after)
        self.stride, self.pad = stride, (after - before) // 2

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.stride > 1:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.pad, self.pad))
        return F.relu(y + x)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions, the 3x3 with the stride; the shortcut is projected where shapes differ."""

    def __init__(self, before, width, stride):
        super().__init__()
        after = 4 * width
        self.conv1 = convolution(before, width, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = convolution(width, width, 3, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = convolution(width, after, 1)
        self.bn3 = nn.BatchNorm2d(after)
        same = stride == 1 and before == after
        self.downsample = None if same else nn.Sequential(convolution(before, after, 1, stride), nn.BatchNorm2d(after))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class Experts(nn.Module):
    """Logits `[experts, batch, classes]`."""

    def __init__(self, shared, branch, experts, features, classes):
        super().__init__()
        self.shared = shared
        self.branches = nn.ModuleList([nn.Sequential(branch(), nn.AdaptiveAvgPool2d(1), nn.Flatten()) for _ in range(experts)])
        self.heads = nn.ParameterList([nn.Parameter(torch.randn(classes, features)) for _ in range(experts)])

    def forward(self, x):
        x = self.shared(x)
        logits = [30 * F.linear(F.normalize(b(x)), F.normalize(w)) for b, w in zip(self.branches, self.heads)]
        return torch.stack(logits)


def resnet32(experts, classes):
    """Stem and first stage are shared."""

    def stage(before, after, stride):
        return nn.Sequential(CifarBlock(before, after, stride), *[CifarBlock(after, after, 1) for _ in range(4)])

    shared = nn.Sequential(convolution(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), stage(16, 16, 1))
    return Experts(shared, lambda: nn.Sequential(stage(16, 32, 2), stage(32, 64, 2)), experts, 64, classes)


def resnet50(experts, classes):
    """Stem, first and second stage are shared."""

    def stage(before, width, blocks, stride):
        others = [Bottleneck(4 * width, width, 1) for _ in range(blocks - 1)]
        return nn.Sequential(Bottleneck(before, width, stride), *others)

    stem = [convolution(3, 64, 7, 2), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    shared = nn.Sequential(*stem, stage(64, 64, 3, 1), stage(256, 128, 4, 2))
    return Experts(shared, lambda: nn.Sequential(stage(512, 256, 6, 2), stage(1024, 512, 3, 2)), experts, 2048, classes)
