"""Export ultralytics' networks of docs/networks.md, for examples/networks.rs to open and compare.

    pip install ultralytics onnx onnxruntime safetensors
    python tests/reference/export_yolo.py FOLDER [NAME..]

A network is built from its yaml, with weights seeded as in `exports.seeded`. FOLDER/NAME/ gets fixed.onnx and
free.onnx (one photo, and any number of them), by ultralytics' own export, static.pt2 by torch.export, and
reference.safetensors: `input` and `output` of two photos, and `inner:LAYER` of five modules.
"""

import os
import sys
from pathlib import Path

os.environ |= {"YOLO_AUTOINSTALL": "false", "YOLO_OFFLINE": "true", "YOLO_VERBOSE": "false"}

import torch
from safetensors.torch import save_file
from torch.export import export, save
from ultralytics import YOLO

from exports import outputs_of, photos, seeded

NAMES = ["yolov8n", "yolo11n"]
SIDE = 224


def make(folder, name):
    torch.manual_seed(0)
    yolo = YOLO(f"{name}.yaml", task="detect")
    net = seeded(yolo.model.eval(), SIDE)
    folder.mkdir(parents=True, exist_ok=True)
    for kind, free in [("fixed", False), ("free", True)]:
        made = yolo.export(format="onnx", imgsz=SIDE, dynamic=free, simplify=False, batch=1, nms=False)
        Path(made).rename(folder / f"{kind}.onnx")
    x = photos(SIDE, 3)
    # What the exporter calls, one output of all scales.
    head = net.model[-1]
    head.export, head.format = True, "onnx"
    inner = [f"model.{number}" for number in [2, 4, 9, 15, 21]]
    both = outputs_of(net, x, inner, "inner")
    both |= {key.replace("inner", "onnx"): value for key, value in both.items() if "inner" in key}
    save_file({key: value.clone() for key, value in both.items()}, folder / "reference.safetensors")
    save(export(net, (x[:1],)), folder / "static.pt2")


if __name__ == "__main__":
    for name in sys.argv[2:] or NAMES:
        make(Path(sys.argv[1]).absolute() / name, name)
        print(name, flush=True)
