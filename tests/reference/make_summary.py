"""Make tests/reference/summary/: torchinfo's numbers for three networks.

    pip install -r tests/reference/requirements.txt
    python tests/reference/make_summary.py

How torchinfo counts: the multiply-adds of a convolution are its parameters, bias included, times
batch and output pixels; of any other layer its parameters times batch. The forward/backward size is
4 bytes times 2 for each output value of the layers that have parameters, and of no others. Its MB
are 10^6 bytes; here everything is in bytes. `layers` are its rows in order, containers included,
each as name, kind, output shape, kernel, parameters (descendants included), multiply-adds (not of
containers), and whether it is trainable: "True", "False", "Partial" or "--".
"""

import json
from collections import OrderedDict
from pathlib import Path

import torchinfo
from make_attribution import plain
from torch import nn
from torchvision import models

FOLDER = Path(__file__).resolve().parent / "summary"


def dotted(layer):
    parts = []
    while layer.parent_info is not None:
        parts.insert(0, layer.var_name)
        layer = layer.parent_info
    return ".".join(parts)


def summary(name, net, shape):
    info = torchinfo.summary(net, shape, depth=9, verbose=0, device="cpu", mode="eval")
    totals = {
        "input_shape": shape,
        "params": info.total_params,
        "trainable_params": info.trainable_params,
        "mult_adds": info.total_mult_adds,
        "input_bytes": info.total_input,
        "forward_backward_bytes": info.total_output_bytes,
        "params_bytes": info.total_param_bytes,
    }
    rows = []
    for layer in info.summary_list:
        mult_adds = layer.macs if layer.is_leaf_layer else None
        row = [
            dotted(layer),
            layer.class_name,
            layer.output_size,
            layer.kernel_size,
            layer.num_params,
            mult_adds,
            layer.trainable,
        ]
        rows.append(row)
    head = "".join(f' "{key}": {json.dumps(value)},\n' for key, value in totals.items())
    body = ",\n".join(f"  {json.dumps(row)}" for row in rows)
    (FOLDER / f"{name}.json").write_text(f'{{\n{head} "layers": [\n{body}\n ]\n}}\n')
    print(f"{name}: {totals}")


def frozen():
    """Two groups and a transposed convolution; the first convolution is frozen."""
    net = nn.Sequential(
        OrderedDict(
            down=nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU()),
            up=nn.Sequential(nn.ConvTranspose2d(8, 4, 2, 2), nn.ReLU()),
            head=nn.Conv2d(4, 2, 1),
        )
    )
    net.down[0].requires_grad_(False)
    net.head.requires_grad_(False)
    return net


def main():
    FOLDER.mkdir(exist_ok=True)
    summary("squeezenet1_1", models.squeezenet1_1(weights=None), [1, 3, 224, 224])
    summary("plain", plain(), [2, 3, 32, 32])
    summary("frozen", frozen(), [2, 3, 32, 32])


if __name__ == "__main__":
    main()
