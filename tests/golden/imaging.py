"""What Pillow, torchvision and the published augmentation policies make of images, for `imaging.safetensors`.

Versions: Pillow 13.0.0, torchvision 0.29.2, torch 2.15.0, NumPy 2.4.
Run: BALPOE_DATA=FOLDER python imaging.py   (the folder holds cifar-100-binary/test.bin and jpeg-photos/photos.txt)
"""

import io
import json
import math
import os
from pathlib import Path

import numpy as np
import PIL
import torchvision
import torchvision.transforms.functional as T
from PIL import Image, ImageEnhance, ImageOps
from safetensors.numpy import save_file
from torchvision.transforms import InterpolationMode
from torchvision.transforms.autoaugment import TrivialAugmentWide, _apply_op

DATA = Path(os.environ["BALPOE_DATA"])
FILTERS = {"nearest": Image.NEAREST, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}
FILL = (124, 116, 104)
GREY = (128, 128, 128)


def photographs():
    """A CIFAR image of 32x32 and a reduced photograph of 23x19, as Pillow images; and that photograph at 110x78."""
    record = np.fromfile(DATA / "cifar-100-binary" / "test.bin", np.uint8).reshape(-1, 3074)[6666, 2:]
    first = record.reshape(3, 32, 32).transpose(1, 2, 0)
    photo = Image.open(DATA / "jpeg-photos" / "photos" / "n01614925_bald_eagle.JPEG").convert("RGB")
    large = photo.resize((110, 78), Image.LANCZOS)
    return [Image.fromarray(np.ascontiguousarray(first)), large.resize((23, 19), Image.LANCZOS)], large


def affine(image, matrix, resample, fill):
    return image.transform(image.size, Image.AFFINE, matrix, resample=resample, fillcolor=fill)


def solarize_add(image, amount):
    table = [min(255, i + amount) if i < 128 else i for i in range(256)]
    return image.point(table * 3)


def primitives(image):
    """Single operations, by the name that the test looks for."""
    for factor in (0.0, 0.15, 0.6, 1.0, 1.37, 1.9):
        for name, enhancer in [
            ("brightness", ImageEnhance.Brightness),
            ("contrast", ImageEnhance.Contrast),
            ("colour", ImageEnhance.Color),
            ("sharpness", ImageEnhance.Sharpness),
        ]:
            yield f"{name}/{factor}", enhancer(image).enhance(factor)
    yield "autocontrast/0", ImageOps.autocontrast(image)
    yield "equalize/0", ImageOps.equalize(image)
    yield "invert/0", ImageOps.invert(image)
    yield "grayscale/0", T.rgb_to_grayscale(image, num_output_channels=3)
    for bits in (1, 3, 4, 8):
        yield f"posterize/{bits}", ImageOps.posterize(image, bits)
    for threshold in (0, 28.4, 128, 256):
        yield f"solarize/{threshold}", ImageOps.solarize(image, threshold)
    yield "solarize_add/77", solarize_add(image, 77)
    for sigma in (0.1, 0.7, 2.0):
        yield f"blur/{sigma}", T.gaussian_blur(image, [17, 17], [sigma, sigma])
    for name, resample in FILTERS.items():
        for slope in (-0.3, 0.17):
            yield f"shear_x.{name}/{slope}", affine(image, (1, slope, 0, 0, 1, 0), resample, FILL)
            yield f"shear_y.{name}/{slope}", affine(image, (1, 0, 0, slope, 1, 0), resample, FILL)
        for pixels in (-7.3, 4.0, 0.45):
            yield f"shift_x.{name}/{pixels}", affine(image, (1, 0, pixels, 0, 1, 0), resample, FILL)
            yield f"shift_y.{name}/{pixels}", affine(image, (1, 0, 0, 0, 1, pixels), resample, FILL)
        for degrees in (-30.0, 6.666, 90.0):
            yield f"rotation.{name}/{degrees}", image.rotate(degrees, resample=resample, fillcolor=FILL)


def windows(image):
    """Crops that are scaled, and the pipeline of tests. Names: top, left, height, width, new height, new width."""
    width, height = image.size
    for window in [
        (0, 0, height, width, 24, 24),
        (3, 5, 40, 70, 64, 64),
        (11, 7, 60, 61, 32, 48),
        (40, 20, 33, 33, 32, 32),
    ]:
        yield "window/" + ",".join(map(str, window)), T.resized_crop(image, *window[:4], list(window[4:]))
    for shorter, side in [(64, 56), (78, 64), (60, 32), (110, 96)]:
        yield f"test/{shorter},{side}", T.center_crop(T.resize(image, shorter), [side, side])


def auto_augment(image):
    """Operations of the CIFAR-10 policy as the reference implementation defines them: level 0 to 9, sign."""
    for level, sign in [(3, 1), (8, -1), (9, 1)]:
        shift = 150 / 331 * level / 9
        yield f"ShearY/{level},{sign}", affine(image, (1, 0, 0, sign * 0.3 * level / 9, 1, 0), Image.BICUBIC, GREY)
        yield f"TranslateX/{level},{sign}", affine(image, (1, 0, sign * shift * image.size[0], 0, 1, 0), Image.NEAREST, GREY)
        yield f"TranslateY/{level},{sign}", affine(image, (1, 0, 0, 0, 1, sign * shift * image.size[1]), Image.NEAREST, GREY)
        turned = image.convert("RGBA").rotate(30 * level / 9)
        turned = Image.composite(turned, Image.new("RGBA", turned.size, (128,) * 4), turned).convert("RGB")
        yield f"Rotate/{level},{sign}", turned
        factor = 1 + sign * 0.1 * level
        yield f"Colour/{level},{sign}", ImageEnhance.Color(image).enhance(factor)
        yield f"Contrast/{level},{sign}", ImageEnhance.Contrast(image).enhance(factor)
        yield f"Sharpness/{level},{sign}", ImageEnhance.Sharpness(image).enhance(factor)
        yield f"Brightness/{level},{sign}", ImageEnhance.Brightness(image).enhance(factor)
        yield f"Posterize/{level},{sign}", ImageOps.posterize(image, [8, 8, 7, 7, 6, 6, 5, 5, 4, 4][level])
        yield f"Solarize/{level},{sign}", ImageOps.solarize(image, 256 * (1 - level / 9))


def rand_augment(image):
    """Operations as timm defines them: level 0 to 10, sign, interpolation."""
    for level, sign, name in [(10.0, 1, "bilinear"), (9.3, -1, "bicubic"), (6.1, 1, "bicubic")]:
        resample, end = FILTERS[name], f"/{level},{sign},{name}"
        yield "Rotate" + end, image.rotate(sign * 30 * level / 10, resample=resample, fillcolor=FILL)
        yield "ShearX" + end, affine(image, (1, sign * 0.3 * level / 10, 0, 0, 1, 0), resample, FILL)
        yield "ShearY" + end, affine(image, (1, 0, 0, sign * 0.3 * level / 10, 1, 0), resample, FILL)
        shift = sign * 0.45 * level / 10
        yield "TranslateX" + end, affine(image, (1, 0, shift * image.size[0], 0, 1, 0), resample, FILL)
        yield "TranslateY" + end, affine(image, (1, 0, 0, 0, 1, shift * image.size[1]), resample, FILL)
        yield "Posterize" + end, ImageOps.posterize(image, int(level / 10 * 4))
        yield "Solarize" + end, ImageOps.solarize(image, int(level / 10 * 256))
        yield "SolarizeAdd" + end, solarize_add(image, int(level / 10 * 110))
        factor = 0.1 + 1.8 * level / 10
        yield "Colour" + end, ImageEnhance.Color(image).enhance(factor)
        yield "Contrast" + end, ImageEnhance.Contrast(image).enhance(factor)
        yield "Brightness" + end, ImageEnhance.Brightness(image).enhance(factor)
        yield "Sharpness" + end, ImageEnhance.Sharpness(image).enhance(factor)


def trivial_augment(image):
    """torchvision's own operations and strengths, bilinear: level 0 to 30, sign."""
    space = TrivialAugmentWide()._augmentation_space(31)
    for level, sign in [(4, 1), (17, -1), (30, 1)]:
        for name, (magnitudes, signed) in space.items():
            magnitude = float(magnitudes[level].item()) if magnitudes.ndim > 0 else 0.0
            magnitude *= sign if signed else 1
            changed = _apply_op(image, name, magnitude, InterpolationMode.BILINEAR, None)
            yield f"{name.replace('Color', 'Colour')}/{level},{sign}", changed


def files(large):
    """Files in the formats that data sets have, and the RGB image that Pillow reads from each."""
    rows = np.asarray(large)
    sixteen = (np.asarray(large.convert("L")).astype(np.uint16) * 257 + 100).clip(0, 65535).astype(np.uint16)
    exif = Image.Exif()
    exif[0x0112] = 6
    cases = {
        "420.jpg": (large, dict(quality=85)),
        "444.jpg": (large, dict(quality=85, subsampling=0)),
        "422.jpg": (large, dict(quality=85, subsampling=1)),
        "restart.jpg": (large, dict(quality=85, restart_marker_rows=1)),
        "progressive.jpg": (large, dict(quality=85, progressive=True)),
        "grey.jpg": (large.convert("L"), dict(quality=85)),
        "cmyk.jpg": (large.convert("CMYK"), dict(quality=85)),
        "turned.jpg": (large, dict(quality=85, exif=exif)),
        "rgb.png": (large, {}),
        "grey.png": (large.convert("L"), {}),
        "palette.png": (large.quantize(64), {}),
        "alpha.png": (Image.fromarray(np.dstack([rows, rows[..., 0]]), "RGBA"), {}),
        "grey_alpha.png": (Image.merge("LA", [large.convert("L"), large.getchannel(0)]), {}),
        "sixteen_bit.png": (Image.fromarray(sixteen), {}),
    }
    for name, (image, options) in cases.items():
        file = io.BytesIO()
        image.save(file, "PNG" if name.endswith("png") else "JPEG", **options)
        # Pillow clips 16-bit grey to 255 instead of scaling it; the upper bytes are what is meant.
        opened = Image.open(file)
        read = Image.fromarray((sixteen >> 8).astype(np.uint8)) if "sixteen" in name else opened
        yield name, np.frombuffer(file.getvalue(), np.uint8), np.asarray(read.convert("RGB"))
        if name == "turned.jpg":
            yield "upright.jpg", np.frombuffer(file.getvalue(), np.uint8), np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))


small, large = photographs()
tensors = {"source.0": np.asarray(small[0]), "source.1": np.asarray(small[1]), "source.large": np.asarray(large)}
for number, image in enumerate(small):
    tensors |= {f"primitive.{number}/{name}": np.asarray(made) for name, made in primitives(image)}
tensors |= {name: np.asarray(made) for name, made in windows(large)}
for policy in (auto_augment, rand_augment, trivial_augment):
    tensors |= {f"{policy.__name__}/{name}": np.asarray(made) for name, made in policy(small[1])}
for name, file, decoded in files(large):
    tensors |= {f"file/{name}": file, f"decoded/{name}": decoded}
for name, tensor in tensors.items():
    assert tensor.dtype == np.uint8, name
assert math.isclose(TrivialAugmentWide()._augmentation_space(31)["Rotate"][0][30], 135)
about = {"made_by": "imaging.py", "pillow": PIL.__version__, "torchvision": torchvision.__version__.split("+")[0]}
path = Path(__file__).with_name("imaging.safetensors")
save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, path, {"about": json.dumps(about)})
path.chmod(0o644)
print(len(tensors), "tensors,", path.stat().st_size, "bytes")
