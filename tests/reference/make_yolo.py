"""Makes tests/reference/onnx/yolo.onnx, a YOLOv8 with few channels as ultralytics exports it, and what it computes.

    pip install ultralytics onnx onnxruntime
    python tests/reference/make_yolo.py

yolo.npz: input and output of two photos. The file is for a single photo.
"""

import os
from pathlib import Path

os.environ |= {"YOLO_AUTOINSTALL": "false", "YOLO_OFFLINE": "true", "YOLO_VERBOSE": "false"}

import numpy as np
import torch
from ultralytics import YOLO
from ultralytics.nn.modules import head
from ultralytics.nn.tasks import DetectionModel

from exports import photos, seeded

PATH = Path(__file__).resolve().parent / "onnx" / "yolo.onnx"
SIDE = 32
NETWORK = {
    "nc": 2,
    "scales": {"n": [1, 1, 64]},
    "backbone": [
        [-1, 1, "Conv", [8, 3, 2]],
        [-1, 1, "Conv", [8, 3, 2]],
        [-1, 1, "C2f", [8, True]],
        [-1, 1, "Conv", [8, 3, 2]],
        [-1, 1, "SPPF", [8, 5]],
    ],
    "head": [
        [-1, 1, "nn.Upsample", [None, 2, "nearest"]],
        [[-1, 2], 1, "Concat", [1]],
        [-1, 1, "C2f", [8]],
        [[7, 4], 1, "Detect", ["nc"]],
    ],
}


class SmallConv(head.Conv):
    """The head's own convolutions have 64 channels at least."""

    def __init__(self, inputs, outputs, *options, **more):
        super().__init__(min(inputs, 8), min(outputs, 8), *options, **more)


if __name__ == "__main__":
    torch.manual_seed(0)
    net = DetectionModel(NETWORK, verbose=False)
    print(sum(p.numel() for p in net.parameters()))
