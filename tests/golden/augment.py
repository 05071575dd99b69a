"""The standard CIFAR augmentation as torchvision computes it on Pillow images: makes augment.safetensors.

Made with Python 3.11.7, NumPy 2.4.6, Pillow 13.0.0, PyTorch 2.15.0, torchvision 0.29.2, safetensors 0.8.0.
Run: BALPOE_DATA=FOLDER python augment.py   (the folder holds cifar-100-binary/test.bin)
"""

import json
import math
import os
from pathlib import Path

import numpy as np
import PIL
import torch
import torchvision
import torchvision.transforms.functional as T
from PIL import Image
from safetensors.numpy import save_file

from fixed import symmetric

SIDE, PAD = 32, 4
RECORDS = [0, 6666]
ANGLES = [
    -15.0, -14.999, -11.25, -7.5, -4.2, -2.0, -1.0, -0.3, -1e-3, 0.0,
    1e-9, 0.02, 0.5, 1.8, 3.0, 5.625, 8.4, 10.0, 13.7, 15.0,
]  # fmt: skip
MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)


def rotate(image, angle):
    """What RandomRotation(15) does once it has drawn the angle: its defaults, nearest neighbour and black."""
    return np.asarray(T.rotate(Image.fromarray(image), angle))


def crop(image, top, left):
    """What RandomCrop(32, padding=4) does once it has drawn the corner, 0..=8 each."""
    return np.asarray(T.crop(T.pad(Image.fromarray(image), PAD), top, left, SIDE, SIDE))


def flip(image):
    return np.asarray(T.hflip(Image.fromarray(image)))


# The same arithmetic in our words, to be held against Pillow's.


def sources(angle, rule):
    """Row-major index of the pixel that every pixel of the rotated image is a copy of, -1 for black: [32, 32]."""
    angle = angle % 360.0
    radians = -math.radians(angle)
    cos, sin = round(math.cos(radians), 15), round(math.sin(radians), 15)
    half = SIDE / 2
    # (x, y) of the output comes from (cos x + sin y + right, -sin x + cos y + down) of the input.
    right = cos * -half + sin * -half + half
    down = -sin * -half + cos * -half + half
    x, y = rule(cos, sin, right, down)
    inside = (x >= 0) & (x < SIDE) & (y >= 0) & (y < SIDE)
    return np.where(inside, y * SIDE + x, -1).astype(np.int16)


def fixed_point(cos, sin, right, down):
    """Pillow's rule: steps rounded to 1/65536 of a pixel, positions accumulated as integers."""
    fix = lambda value: math.floor(value * 65536.0 + 0.5)
    column, row = np.arange(SIDE), np.arange(SIDE)[:, None]
    x = fix(right + cos * 0.5 + sin * 0.5) + fix(sin) * row + fix(cos) * column
    y = fix(down + -sin * 0.5 + cos * 0.5) + fix(cos) * row + fix(-sin) * column
    return x >> 16, y >> 16


def floating(cos, sin, right, down):
    """The textbook rule: the pixel that holds the rotated centre, in double precision."""
    x, y = np.arange(SIDE) + 0.5, np.arange(SIDE)[:, None] + 0.5
    return np.floor(cos * x + sin * y + right).astype(int), np.floor(-sin * x + cos * y + down).astype(int)


def copied(image, index):
    """The image that the source indices describe."""
    pixels = np.concatenate([image.reshape(-1, 3), np.zeros((1, 3), np.uint8)])
    return pixels[index]


def positions():
    """An image whose pixels say where they are, and none of which is black."""
    row, column = np.mgrid[0:SIDE, 0:SIDE]
    return np.stack([row, column, np.full_like(row, 255)], axis=-1).astype(np.uint8)


def read_back(rotated):
    rotated = rotated.astype(np.int16)
    return np.where(rotated[..., 2] == 255, rotated[..., 0] * SIDE + rotated[..., 1], -1).astype(np.int16)


def check_rotation(count=20_000):
    """Pillow against both rules, over angles drawn as torchvision draws them (float32 numbers)."""
    torch.manual_seed(0)
    angles = [torchvision.transforms.RandomRotation.get_params([-15.0, 15.0]) for _ in range(count)]
    wrong = {"fixed_point": [], "floating": []}
    for angle in angles + ANGLES:
        seen = read_back(rotate(positions(), angle))
        for rule in (fixed_point, floating):
            wrong[rule.__name__].append(int((seen != sources(angle, rule)).sum()))
    for rule, pixels in wrong.items():
        some = sum(p > 0 for p in pixels)
        print(f"{rule}: {some} of {len(pixels)} angles differ, {sum(pixels)} pixels, at most {max(pixels)} at once")
    assert not any(wrong["fixed_point"])


def pipeline_cases():
    """Corner, flip and angle of 12 images that go through the whole chain."""
    corner = [(0, 0), (8, 8), (4, 4), (0, 8), (8, 0), (3, 5), (7, 1), (1, 6), (5, 2), (2, 7), (6, 3), (4, 0)]
    angles = (15 * symmetric(3000, len(corner))).astype(np.float64)
    return [(top, left, i % 2, angle) for i, ((top, left), angle) in enumerate(zip(corner, angles))]


def normalised():
    """Every pixel value of every channel after ToTensor and Normalize: [256, 3], float32."""
    ramp = np.repeat(np.arange(256, dtype=np.uint8).reshape(256, 1, 1), 3, axis=2)
    tensor = T.normalize(T.to_tensor(Image.fromarray(ramp)), MEAN, DEVIATION)
    found = tensor.numpy()[:, :, 0].T
    mean, deviation = np.float32(MEAN), np.float32(DEVIATION)
    ours = (np.arange(256, dtype=np.float32)[:, None] / np.float32(255) - mean) / deviation
    print(f"normalisation: {(ours != found).sum()} of {found.size} values differ from ((v / 255) - mean) / deviation")
    assert (ours == found).all()
    return np.ascontiguousarray(found)


def photographs():
    """Records of CIFAR-100's test file as [32, 32, 3]: coarse label, fine label, then three planes."""
    records = np.fromfile(Path(os.environ["BALPOE_DATA"]) / "cifar-100-binary" / "test.bin", np.uint8).reshape(-1, 3074)
    planes = records[RECORDS, 2:].reshape(-1, 3, SIDE, SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1))


check_rotation()
images = photographs()
rotated = np.stack([[rotate(image, angle) for image in images] for angle in ANGLES])
maps = np.stack([read_back(rotate(positions(), angle)) for angle in ANGLES])
for angle, by_image, index in zip(ANGLES, rotated, maps):
    assert all((copied(image, index) == seen).all() for image, seen in zip(images, by_image)), angle

cases = pipeline_cases()
chained = []
for top, left, flipped, angle in cases:
    image = crop(images[0], top, left)
    chained.append(rotate(flip(image) if flipped else image, angle))

tensors = {
    "images": images,
    "angles": np.array(ANGLES),
    "rotated": rotated,
    "rotation_sources": maps,
    "chain.corners": np.array([case[:2] for case in cases], dtype=np.uint8),
    "chain.flipped": np.array([case[2] for case in cases], dtype=np.uint8),
    "chain.angles": np.array([case[3] for case in cases]),
    "chain.images": np.stack(chained),
    "normalised": normalised(),
}
about = {
    "made_by": "augment.py",
    "pillow": PIL.__version__,
    "torchvision": torchvision.__version__.split("+")[0],
    "cifar100_test_records": RECORDS,
}
path = Path(__file__).with_name("augment.safetensors")
save_file(tensors, path, {"about": json.dumps(about)})
path.chmod(0o644)
