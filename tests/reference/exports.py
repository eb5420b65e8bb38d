"""What the scripts share that export networks."""

import torch
from torch import nn
from torch.export import save


class Layers(nn.Module):
    """Layers as they follow each other in most networks."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3, stride=2, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(2)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(8, 3)

    def forward(self, x):
        x = self.pool(torch.relu(self.bn(self.conv(x))))
        return self.fc(x.flatten(1))


def save_without_traces(program, path):
    """Without what tells of the machine."""
    for node in program.graph.nodes:
        for key in ["stack_trace", "torch_fn", "source_fn_stack"]:
            node.meta.pop(key, None)
    save(program, path)
