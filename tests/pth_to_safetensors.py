"""Converts a PyTorch checkpoint (.pth, .pt) to safetensors for `balpoe weights import` and `backbone.pretrained`.

    python pth_to_safetensors.py checkpoint.pth weights.safetensors

A checkpoint is a pickle, which may run any program when it is opened. This script first tries to open it as plain data; the
reference's checkpoints hold an object of its own as well, so that they need --trust, and must come from somebody you trust.
Needs: pip install torch safetensors
"""

import argparse
import collections
import pickle
import types

import torch
from safetensors.torch import save_file


class Stranger:
    """Stands for the classes of the reference's code, which need not be installed."""

    def __init__(self, *_, **__):
        pass

    def __setstate__(self, _):
        pass


class Tolerant(pickle.Unpickler):
    def find_class(self, module, name):
        try:
            return super().find_class(module, name)
        except (ImportError, AttributeError):
            return Stranger


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("checkpoint")
    arguments.add_argument("to")
    arguments.add_argument("--trust", action="store_true", help="open the pickle whatever it does")
    arguments = arguments.parse_args()
    if arguments.trust:
        tolerant = types.ModuleType("tolerant")
        tolerant.Unpickler, tolerant.load = Tolerant, pickle.load
        tolerant.__dict__.update({k: v for k, v in vars(pickle).items() if k not in tolerant.__dict__})
        content = torch.load(arguments.checkpoint, map_location="cpu", weights_only=False, pickle_module=tolerant)
    else:
        content = torch.load(arguments.checkpoint, map_location="cpu", weights_only=True)
    state = content.get("state_dict", content) if isinstance(content, dict) else content.state_dict()
    # Tensors that share memory, or are views, must stand by themselves in the file.
    tensors = collections.OrderedDict((name, tensor.detach().clone().contiguous()) for name, tensor in state.items())
    save_file(tensors, arguments.to)
    print(f"{len(tensors)} tensors in {arguments.to}")


if __name__ == "__main__":
    main()
