"""The fixed numbers that every golden script starts from, and that a Rust test can regenerate bit for bit.

`word(s, i)` is output number `s * 2**32 + i`, counted from 0, of the SplitMix64 generator that starts from state 0
(Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014), so any element of any stream
is found without its predecessors. Its 24 highest bits make a number that `f32` holds exactly.
"""

import numpy as np


def word(stream, count):
    """The first `count` 64-bit words of a stream."""
    z = (np.arange(count, dtype=np.uint64) + np.uint64((stream << 32) + 1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def symmetric(stream, *shape):
    """Numbers `k * 2**-23 - 1` in [-1, 1), `float32`, row-major: k is the top 24 bits of each word."""
    k = (word(stream, int(np.prod(shape))) >> np.uint64(40)).astype(np.int64)
    return ((k - 2**23).astype(np.float32) * np.float32(2.0**-23)).reshape(shape)


def long_tailed_counts(classes=100, largest=500, ratio=100):
    """Training images of each class of CIFAR-100-LT: `floor(largest * (1/ratio)**(c / (classes - 1)))`."""
    return [int(largest * (1 / ratio) ** (c / (classes - 1))) for c in range(classes)]
