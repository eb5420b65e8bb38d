"""Export Keras's networks of docs/networks.md to ONNX, for examples/networks.rs to open and compare.

    pip install keras tensorflow-cpu tf2onnx torch onnxscript safetensors
    python tests/reference/export_keras.py FOLDER [NAME..]
    KERAS_BACKEND=torch python tests/reference/export_keras.py FOLDER ConvNeXtTiny ConvNeXtTiny_maps

A name is Keras's own, and with `_maps` the network without its top. FOLDER/keras_NAME/ gets BACKEND.onnx, by
Keras's own export, and reference.safetensors: `input` and `output` of two photos, and `onnx:LAYER` of five
layers spread over the depth, all of them with channels first. Weights are seeded as in `exports.seeded`. (What
exports from TensorFlow, tf2onnx 1.17, knows neither ConvNeXt's Erfc nor its depthwise convolutions.)
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import onnx
import torch
from safetensors.torch import save_file

from exports import of_onnxruntime, photos

NAMES = """MobileNetV2 MobileNetV2_maps ResNet50V2 ResNet50V2_maps EfficientNetV2B0 EfficientNetV2B0_maps VGG16
VGG16_maps""".split()
SIDE = 224


def untrained(name):
    keras.utils.set_random_seed(0)
    kind = getattr(keras.applications, name.removesuffix("_maps"))
    return kind(weights=None, include_top=not name.endswith("_maps"), input_shape=(SIDE, SIDE, 3))


def seeded(net, x):
    """Draws what starts as a constant, and scales each layer so that its output has a deviation of 1."""
    random = np.random.default_rng(1)
    for weight in net.weights:
        start = keras.ops.convert_to_numpy(weight)
        first = float(start.flat[0])
        if not (start == first).all():
            continue
        low, high = (-0.1, 0.1) if first == 0 else (0.1, 0.5) if first <= 0.1 else (0.5, 1.5)
        if weight.path.endswith("moving_variance"):
            low, high = 0.5, 1.5
        weight.assign(random.uniform(low, high, start.shape).astype(np.float32))

    def scaled(layer):
        def call(*arguments, **options):
            made = layer(*arguments, **options)
            deviation = float(keras.ops.convert_to_numpy(made).std())
            if not hasattr(layer, "kernel") or not deviation > 1e-8:
                return made
            if layer.activation is keras.activations.softmax:
                return made
            layer.kernel.assign(layer.kernel / deviation)
            return layer(*arguments, **options)

        return call

    net._run_through_graph([keras.ops.convert_to_tensor(x)], operation_fn=scaled)
    return net


def channels_first(values):
    values = torch.from_numpy(keras.ops.convert_to_numpy(values))
    return (values.permute(0, 3, 1, 2) if values.ndim == 4 else values).float().contiguous()


def save_with_reference(net, x, folder, layers):
    """The network as Keras exports it, and what it makes of two photos `[N, H, W, C]`."""
    folder.mkdir(parents=True, exist_ok=True)
    net(x)  # Keras exports what has run.
    # PyTorch's exporter wants all sizes.
    fixed = [keras.InputSpec(shape=(1, *net.input_shape[1:]), dtype="float32")]
    signature = fixed if keras.backend.backend() == "torch" else None
    path = folder / f"{keras.backend.backend()}.onnx"
    net.export(path, format="onnx", verbose=False, input_signature=signature)
    every = [net.output] + [layer.output for layer in layers]
    outputs = keras.tree.flatten(keras.Model(net.inputs, every)(x))
    made = {"input": channels_first(x), "output": channels_first(outputs[0])}
    named = zip(layers, outputs[1:])
    made |= {f"onnx:{layer.name}": channels_first(output) for layer, output in named}
    if not layers:
        made |= norms(path, x)
    save_file(made, folder / "reference.safetensors")


def norms(path, x):
    """Of a file without Keras's names, its norms in their order, with the channels where the file has them."""
    network = onnx.load(path)
    made = [node.output[0] for node in network.graph.node if node.op_type == "LayerNormalization"]
    chosen = {f"onnx:layer_normalization_{i}": made[i] for i in [1, 5, 10, 15, 20]}
    found = of_onnxruntime(network, torch.from_numpy(x), chosen)
    return {key: value for key, value in found.items() if key in chosen}


def make(folder, name):
    net = untrained(name)
    # Some have the scaling of values up to 255 in them.
    scale = 255 if any(isinstance(layer, keras.layers.Rescaling) for layer in net.layers) else 1
    x = scale * photos(SIDE, 3).permute(0, 2, 3, 1).numpy()
    seeded(net, scale * photos(SIDE, 2).permute(0, 2, 3, 1).numpy())
    # Sums and activations: what the exporter folds into a layer has no output of its own.
    kept = keras.layers.Add, keras.layers.Activation, keras.layers.ReLU, keras.layers.MaxPooling2D
    whole = [layer for layer in net.layers if isinstance(layer, kept)]
    layers = [whole[int(part * len(whole))] for part in [0.05, 0.25, 0.5, 0.7, 0.95]]
    # PyTorch's exporter does not know Keras's names.
    layers = [] if keras.backend.backend() == "torch" else layers
    save_with_reference(net, x, folder, layers)


if __name__ == "__main__":
    for name in sys.argv[2:] or NAMES:
        make(Path(sys.argv[1]) / f"keras_{name}", name)
        print(name, flush=True)
