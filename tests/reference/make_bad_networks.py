"""Make tests/reference/bad_networks/: networks with one mistake each, by kind of file.

    python tests/reference/make_bad_networks.py     (torch, onnx)
"""

import json
import zipfile
from pathlib import Path

import numpy as np
import torch
from exports import save_without_traces
from formula import with_formula_weights
from onnx import TensorProto, helper, numpy_helper
from torch import nn

FOLDER = Path(__file__).resolve().parent / "bad_networks"
N = helper.make_node


def f(*sizes):
    return (np.arange(np.prod(sizes), dtype=np.float32) % 7 - 3).reshape(sizes) / 8


def onnx(name, nodes, weights, inputs=(("x", ["N", 3, 8, 8]),), outputs=("y",), change=lambda graph: None):
    graph = helper.make_graph(
        nodes, name,
        [helper.make_tensor_value_info(key, TensorProto.FLOAT, sizes) for key, sizes in inputs],
        [helper.make_tensor_value_info(key, TensorProto.FLOAT, None) for key in outputs],
        [numpy_helper.from_array(value, key) for key, value in weights.items()],
    )
    change(graph)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    (FOLDER / f"{name}.onnx").write_bytes(model.SerializeToString())


def outside(graph):
    """The weight lies in a file that is not there."""
    weight = graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in [("location", "weights.bin"), ("offset", "0"), ("length", str(4 * 4 * 27))]:
        weight.external_data.add(key=key, value=value)


def huge(graph):
    """Sizes of more values than a file can have."""
    graph.initializer[0].dims[:] = [1 << 20, 1 << 20, 1 << 20, 3]


def onnx_files():
    conv = N("Conv", ["x", "w"], ["c"], name="conv1")
    w = {"w": f(4, 3, 3, 3)}
    onnx("circle", [N("Add", ["x", "b"], ["a"], name="first"), N("Relu", ["a"], ["b"], name="second"),
                    N("Relu", ["b"], ["y"], name="third")], {})
    onnx("dangling", [conv, N("Add", ["c", "nowhere"], ["y"], name="sum")], w)
    onnx("twice", [conv, N("Relu", ["c"], ["y"], name="one"), N("Sigmoid", ["c"], ["y"], name="two")], w)
    onnx("inputs", [conv, N("Relu", ["c"], ["y"])], w, inputs=(("x", ["N", 3, 8, 8]), ("x", ["N", 5])))
    onnx("same_names", [N("Conv", ["x", "w"], ["c"], name="conv1"), N("Relu", ["c"], ["r"], name="conv1"),
                        N("Relu", ["r"], ["y"], name="conv1")], w)
    onnx("channels", [conv, N("Relu", ["c"], ["y"])], {"w": f(4, 5, 3, 3)})
    onnx("product", [conv, N("Flatten", ["c"], ["l"]), N("Gemm", ["l", "m"], ["y"], name="fc")], {**w, "m": f(100, 5)})
    onnx("training", [conv, N("BatchNormalization", ["c", "s", "s", "s", "s"], ["y"], name="bn1", training_mode=1)],
         {**w, "s": f(4)})
    onnx("outside", [conv, N("Relu", ["c"], ["y"])], w, change=outside)
    onnx("huge", [conv, N("Relu", ["c"], ["y"])], w, change=huge)
    onnx("one_size", [conv, N("Flatten", ["c"], ["l"]), N("Gemm", ["l", "m"], ["y"], name="fc")], {**w, "m": f(144, 5)})


def pt2_files():
    """A program whose graph, or what is said of its weights, was changed in the file."""
    net = with_formula_weights(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5))).eval()
    good = FOLDER / "one_size.pt2"
    save_without_traces(torch.export.export(net, (torch.ones(1, 3, 8, 8),)), good)
    with zipfile.ZipFile(good) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]

    def rewritten(name, ending, change, keep=lambda member: True):
        """One member, JSON, is changed, and others are left out."""
        with zipfile.ZipFile(FOLDER / f"{name}.pt2", "w") as archive:
            for info, data in members:
                if info.filename.endswith(ending):
                    text = json.loads(data)
                    change(text)
                    data = json.dumps(text).encode()
                if keep(info.filename):
                    archive.writestr(info, data)

    def changed(name, change):
        rewritten(name, "models/model.json", lambda program: change(program["graph_module"]["graph"]))

    def weight(name, change, **left):
        """What the archive says of the convolution's weight is changed."""
        rewritten(name, "_weights_config.json", lambda config: change(config["config"]["0.weight"]), **left)

    def sizes(*sides, strides=None):
        def change(payload):
            meta = payload["tensor_meta"]
            meta["sizes"] = [{"as_int": side} for side in sides]
            meta["strides"] = [{"as_int": stride} for stride in strides or [1] * len(sides)]
        return change

    def output(node):
        return node["outputs"][0]["as_tensor"]

    def first(node):
        return next(given for given in node["inputs"] if "as_tensor" in given["arg"])["arg"]["as_tensor"]

    changed("circle", lambda graph: first(graph["nodes"][1]).update(name=output(graph["nodes"][2])["name"]))
    changed("twice", lambda graph: output(graph["nodes"][2]).update(name=output(graph["nodes"][1])["name"]))
    changed("dangling", lambda graph: first(graph["nodes"][1]).update(name="nowhere"))

    def channels(graph):
        # The photo's weights and those of the linear layer change places.
        weights = [given for node in graph["nodes"] for given in node["inputs"] if given["name"] == "weight"]
        names = [given["arg"]["as_tensor"]["name"] for given in weights]
        for given, name in zip(weights, reversed(names)):
            given["arg"]["as_tensor"]["name"] = name

    changed("channels", channels)
    weight("outside", lambda payload: payload.update(path_name="../../../../weights.bin"))
    weight("missing", lambda payload: None, keep=lambda member: not member.endswith("/weight_0"))
    # More values than the file has, as many of one value as no memory holds, and more than can be counted.
    weight("longer", sizes(4, 3, 3, 30, strides=[270, 90, 30, 1]))
    weight("huge", sizes(1 << 20, 1 << 20, 3, 3, strides=[0, 0, 0, 0]))
    weight("product", sizes(1 << 20, 1 << 20, 1 << 20, 1 << 20))


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    onnx_files()
    pt2_files()
