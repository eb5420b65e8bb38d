"""The zoo's architectures in PyTorch: their parameters, and what every stage computes.

Writes zoo.json beside this script: torchvision's and timm's networks on closed-form weights and a
closed-form photo, in double precision. Parameter number p, in the alphabetical order of the names
without num_batches_tracked, has in flat order i, in 32-bit unsigned arithmetic,

    h = 2654435761 i + 40503 p,  h ^= h >> 16,  h *= 0x45d9f3b,  h ^= h >> 16,  u = h / 2^31 - 1

    convolution and linear weights      u sqrt(gain / fan_in), fan_in = product of shape[1:]
    running_var                         1 + 0.5 u
    other weights (batch norm)          1 + 0.1 u
    biases, running_mean                0.1 u

rounded to float32. A gain of 6 keeps the size of the activations in a chain of convolutions and
rectifiers; 3 or 4 keeps it in networks whose blocks add to their input.

The photo, c, y, x in float64, then float32, is not normalised:

    0.5 + 0.5 * sin(0.21 x + 0.13 y + c) * cos(0.07 x - 0.17 y)

For each network: the photo's channels, height and width, the least side that a square photo must have, the
number of trainable parameters, the lowest 16 bits of the FNV-1a hash of each line "name:4,3,2,1" as hexadecimal digits, and for each stage its
shape, mean, mean absolute value, greatest absolute value, and the values at the flat positions
k (count - 1) / 15 rounded down, k = 0 .. 15. "output" is the network's.
"""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import timm
import torch
from torch import nn
from torchvision import models
from torchvision.models.resnet import BasicBlock

import networks

HERE = Path(__file__).resolve().parent


@dataclass
class Row:
    """How a network is made, which modules' outputs are kept, and what its input and weights are."""

    make: object
    stages: list
    gain: float = 6
    size: tuple = (64, 72)  # height, width
    channels: int = 3
    options: dict = field(default_factory=dict)


def vgg(name, features):
    stages = [f"features.{i}" for i in features]
    return Row(getattr(models, name), [*stages, "avgpool", "classifier.0", "classifier.4"])


def resnet(name, *more):
    layers = ["layer1.0", "layer1", "layer2.0.downsample", "layer2", "layer3", "layer4"]
    stages = ["conv1", "bn1", "maxpool", *layers, *more, "avgpool"]
    return Row(getattr(models, name), stages, gain=3)


def senet(name, *more):
    layers = ["layer1.0.se_module", "layer1", "layer2.0.downsample", "layer2", "layer3", "layer4"]
    return Row(
        lambda **options: timm.create_model(name, pretrained=False, **options),
        ["layer0.bn1", "layer0", "pool0", *layers, *more, "global_pool"],
        gain=3,
    )


def squeezenet(name, pools):
    fires = ["features.3.squeeze", "features.3", "features.9", "features.12"]
    return Row(getattr(models, name), ["features.0", *pools, *fires, "classifier.1"])


def efficientnet_lite(number):
    blocks = ["blocks.0", "blocks.1.0.conv_dw", *(f"blocks.{i}" for i in range(1, 7))]
    return Row(
        lambda **options: timm.create_model(
            f"tf_efficientnet_lite{number}", pretrained=False, **options
        ),
        ["conv_stem", "bn1.act", *blocks, "bn2.act", "global_pool"],
        gain=4,
        size=(64, 71),  # the padding of odd sides differs
    )


ROWS = {
    "alexnet": Row(
        models.alexnet,
        ["features.0", "features.2", "features.5", "features.12", "avgpool", "classifier.1"],
        size=(72, 80),
    ),
    "vgg11": vgg("vgg11", [0, 2, 5, 10, 15, 20]),
    "vgg11_bn": vgg("vgg11_bn", [1, 3, 7, 14, 21, 28]),
    "vgg13": vgg("vgg13", [0, 4, 9, 14, 19, 24]),
    "vgg13_bn": vgg("vgg13_bn", [1, 6, 13, 20, 27, 34]),
    "vgg16": vgg("vgg16", [0, 4, 9, 16, 23, 30]),
    "vgg16_bn": vgg("vgg16_bn", [1, 6, 13, 23, 33, 43]),
    "vgg19": vgg("vgg19", [0, 4, 9, 18, 27, 36]),
    "vgg19_bn": vgg("vgg19_bn", [1, 6, 13, 26, 39, 52]),
    "resnet18": resnet("resnet18"),
    "resnet34": resnet("resnet34"),
    "resnet50": resnet("resnet50", "layer4.2.conv3"),
    "resnet101": resnet("resnet101", "layer3.22.bn2"),
    "resnet152": resnet("resnet152", "layer3.35.bn2"),
    "seresnet50": senet("legacy_seresnet50", "layer4.2.se_module.sigmoid"),
    "senet154": senet("legacy_senet154", "layer4.2.se_module.sigmoid"),
    "squeezenet1_0": squeezenet("squeezenet1_0", ["features.2", "features.6", "features.11"]),
    "squeezenet1_1": squeezenet("squeezenet1_1", ["features.2", "features.5", "features.8"]),
    "densenet121": Row(
        models.densenet121,
        [
            "features.norm0",
            "features.pool0",
            "features.denseblock1.denselayer1",
            "features.denseblock1.denselayer2",
            *(f"features.{kind}{i}" for i in (1, 2, 3) for kind in ("denseblock", "transition")),
            "features.denseblock4",
            "features.norm5",
        ],
    ),
    "mobilenet_v2": Row(
        models.mobilenet_v2,
        ["features.2.conv.1", *(f"features.{i}" for i in (0, 1, 2, 3, 6, 10, 13, 16, 17, 18))],
        gain=4,
    ),
    "efficientnet_b0": Row(
        models.efficientnet_b0,
        ["features.2.0.block.2", *(f"features.{i}" for i in range(9)), "avgpool"],
    ),
    **{f"efficientnet_lite{i}": efficientnet_lite(i) for i in range(5)},
    "fcn": Row(
        lambda: networks.Fcn("segmentation", 10),
        ["conv1", "maxpool", "layer1", "layer2", "layer3", "layer4", "segmenter.0", "segmenter.2"],
        gain=3,
        size=(33, 40),
        channels=1,
    ),
    "fcn_narrow_rotation": Row(
        lambda: networks.Fcn("rotation", 5, width=12, blocks=(1, 1, 1, 1), block=BasicBlock),
        ["conv1", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool"],
        gain=3,
        channels=1,
    ),
    "unet": Row(
        networks.UNet,
        ["inc", "down1", "down4", "up1.up", "up1", "up4.up", "up4"],
        size=(32, 48),
        channels=1,
    ),
    "unet_bilinear": Row(
        lambda: networks.UNet(3, 2, width=8, depth=3, bilinear=True),
        ["inc", "down1", "down3", "up1.up", "up1", "up3.up", "up3"],
        size=(37, 45),
    ),
}


def formula_values(count, parameter):
    h = np.arange(count, dtype=np.uint32) * np.uint32(2654435761) + np.uint32(40503 * parameter)
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x45D9F3B)
    h ^= h >> np.uint32(16)
    return h / 2.0**31 - 1


def formula_weights(net, gain):
    """Fills the network, and returns its lines "name:4,3,2,1"."""
    state = net.state_dict()
    names = sorted(name for name in state if not name.endswith("num_batches_tracked"))
    lines = []
    for parameter, name in enumerate(names):
        shape = state[name].shape
        lines.append(f"{name}:{','.join(map(str, shape))}")
        u = formula_values(shape.numel(), parameter)
        if len(shape) > 1:
            u *= math.sqrt(gain / shape[1:].numel())
        elif name.endswith("running_var"):
            u = 1 + 0.5 * u
        elif name.endswith("weight"):
            u = 1 + 0.1 * u
        else:
            u = 0.1 * u
        state[name].copy_(torch.from_numpy(u.reshape(shape).astype(np.float32)))
    return lines


def formula_image(channels, height, width):
    c, y, x = np.meshgrid(np.arange(channels), np.arange(height), np.arange(width), indexing="ij")
    image = 0.5 + 0.5 * np.sin(0.21 * x + 0.13 * y + c) * np.cos(0.07 * x - 0.17 * y)
    return torch.from_numpy(image.astype(np.float32)).double()[None]


def fnv(line):
    h = 0x811C9DC5
    for byte in line.encode():
        h = (h ^ byte) * 0x01000193 % 2**32
    return h


def numbers(output):
    flat = output.flatten()
    magnitudes = flat.abs()
    sizes = [flat.mean(), magnitudes.mean(), magnitudes.max()]
    values = [flat[k * (flat.numel() - 1) // 15] for k in range(16)]
    short = [[float(f"{value:.7g}") for value in part] for part in (sizes, values)]
    return {"shape": list(output.shape), "sizes": short[0], "values": short[1]}


def least_side(net, channels):
    """Of the smallest square photo that passes; shapes alone are computed here."""
    for side in range(1, 225):
        try:
            net(torch.empty(1, channels, side, side, dtype=torch.double))
            return side
        except RuntimeError:
            continue
    raise AssertionError("no photo passes")


def network(name, row):
    with torch.device("meta"):  # no time for random weights
        net = row.make(**row.options).double().eval()
        least = least_side(net, row.channels)
    net.to_empty(device="cpu")
    with torch.no_grad():
        lines = formula_weights(net, row.gain)
    stages = {}
    for stage in row.stages:

        def keep(_module, _inputs, output, stage=stage):
            assert stage not in stages, f"{name}: {stage} runs twice"
            stages[stage] = numbers(output)  # at once: rectifiers in place come next

        net.get_submodule(stage).register_forward_hook(keep)
    with torch.no_grad():
        output = net(formula_image(row.channels, *row.size))
    output = output["out"] if isinstance(output, dict) else output
    stages["output"] = numbers(output)
    parameters = sum(parameter.numel() for parameter in net.parameters())
    sizes = ", ".join(f"{stage} {stages[stage]['sizes'][1]:.3g}" for stage in stages)
    print(f"{name}: {parameters:,} parameters; {sizes}")
    return {
        "input": [row.channels, *row.size],
        "least": least,
        "gain": row.gain,
        "parameters": parameters,
        "lines": "".join(f"{fnv(line) & 0xFFFF:04x}" for line in lines),
        "stages": stages,
    }


def main():
    rows = []
    for name, row in ROWS.items():
        entry = network(name, row)
        stages = ",\n".join(f"  {json.dumps(s)}: {json.dumps(n)}" for s, n in entry.pop("stages").items())
        rows.append(f' {json.dumps(name)}: {json.dumps(entry)[:-1]}, "stages": {{\n{stages}}}}}')
    path = HERE / "zoo.json"
    path.write_text("{\n" + ",\n".join(rows) + "\n}\n")
    print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
