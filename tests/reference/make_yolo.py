"""Makes tests/reference/onnx/yolo.onnx, a YOLOv8 with few channels as ultralytics exports it, and what it computes.

    pip install ultralytics onnx onnxruntime
    python tests/reference/make_yolo.py

yolo.npz: input and output of two photos. The file is for a single photo.
"""

import os
from pathlib import Path

os.environ |= {"YOLO_AUTOINSTALL": "false", "YOLO_OFFLINE": "true", "YOLO_VERBOSE": "false"}

import numpy as np
import onnx
import torch
from ultralytics import YOLO
from ultralytics.nn.tasks import DetectionModel

from exports import of_onnxruntime, photos, seeded

PATH = Path(__file__).resolve().parent / "onnx" / "yolo.onnx"
SIDE = 32
NETWORK = {
    "nc": 2,
    "reg_max": 4,
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
        [[7], 1, "Detect", ["nc"]],
    ],
}


def seeded_yolo():
    torch.manual_seed(0)
    yolo = YOLO("yolov8n.yaml", task="detect")
    about = {"args": yolo.model.args, "task": yolo.model.task}
    yolo.model = DetectionModel(NETWORK, verbose=False)
    vars(yolo.model).update(about)
    yolo.model.yaml["yaml_file"] = "yolo.yaml"
    seeded(yolo.model.eval(), SIDE)
    return yolo


def yolo_network():
    """The network by itself."""
    return seeded_yolo().model


if __name__ == "__main__":
    yolo = seeded_yolo()
    try:
        yolo.export(format="onnx", imgsz=SIDE, simplify=False, batch=1, nms=False)
    except AssertionError:
        pass  # It takes small files for damaged ones, once they are written.
    Path("yolo.onnx").rename(PATH)
    x = photos(SIDE, 3)
    network = onnx.load(PATH)
    del network.metadata_props[:]  # the day of the export
    onnx.save(network, PATH)
    made = of_onnxruntime(network, x, {})
    np.savez(PATH.with_suffix(".npz"), input=x.numpy(), output=made["output"].numpy())
    print(PATH.stat().st_size, PATH.with_suffix(".npz").stat().st_size, "bytes")
