"""Make fuzz/seeds/pt2/: small networks as torch.export.save writes them.

    pip install -r tests/reference/requirements.txt
    python tests/reference/make_pt2_seeds.py

Weights are those of formula.py. PyTorch wrote other archives before 2.9, up to 2.8 and up to 2.7: run
with such a version, this makes one network as that version wrote it, `tied_2_8.pt2`. It needs numpy
besides PyTorch. What tells of the machine, stack traces, is taken out of the graphs.
"""

from pathlib import Path

import torch
from exports import Layers, save_without_traces
from formula import with_formula_weights
from torch import nn
from torch.export import Dim, export

FOLDER = Path(__file__).resolve().parents[2] / "fuzz" / "seeds" / "pt2"


class Batch(nn.Module):
    """A size that is known only when it runs is an argument."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x):
        x = self.conv(x)
        groups = x.view(x.shape[0], 2, 2, 4, 4).transpose(1, 2)
        return groups.reshape(x.shape[0], -1), x.shape[0]


class Tied(nn.Module):
    """A layer that runs twice, two that share a weight, a buffer that is not saved and a constant."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.head = nn.Linear(3, 2)
        self.other = nn.Linear(3, 2, bias=False)
        self.other.weight = self.head.weight
        self.register_buffer("shift", torch.tensor(0.5), persistent=False)
        self.classes = torch.tensor([1, 2**24 + 1])

    def forward(self, x):
        x = self.conv(self.conv(x)) + self.shift
        left, right = x.mean((2, 3)).chunk(2, 0)
        return self.head(left) + self.other(right) * self.classes, x.clamp(min=float("-inf"))


class Types(nn.Module):
    """Other numbers than floats, and tensors that are views of others."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1, bias=False, dtype=torch.float16)
        values = torch.arange(12, dtype=torch.float64)
        self.register_buffer("whole", values)
        self.register_buffer("turned", values.view(3, 4).t())
        self.register_buffer("some", values[1:8:2])
        self.register_buffer("short", torch.tensor([1.5], dtype=torch.bfloat16))
        self.register_buffer("mask", torch.tensor([True, False]))
        self.register_buffer("empty", torch.zeros(0, 3))

    def forward(self, x):
        y = self.conv(x.half()).to(torch.float64, memory_format=torch.channels_last)
        y = y * self.turned.sum() + self.some.sum() + self.short
        return y[:, self.mask], self.whole[: self.empty.shape[1]]


def make(name, net, *inputs, **options):
    program = export(with_formula_weights(net).eval(), inputs, **options)
    save_without_traces(program, FOLDER / f"{name}.pt2")


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    batch = Dim("batch", min=2, max=64)
    dynamic = {"dynamic_shapes": {"x": {0: batch}}}
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if version < (2, 9):
        make("tied_{}_{}".format(*version), Tied(), torch.zeros(2, 3, 4, 4))
    else:
        make("layers", Layers(), torch.zeros(1, 3, 8, 8))
        make("batch", Batch(), torch.zeros(2, 3, 4, 4), **dynamic)
        make("tied", Tied(), torch.zeros(2, 3, 4, 4))
        make("types", Types(), torch.zeros(1, 3, 4, 4))
