"""Makes tests/reference/onnx/keras3.onnx, as Keras 3 exports a small network, and what Keras computes with it.

    pip install keras tensorflow-cpu tf2onnx onnx torch safetensors
    python tests/reference/make_keras.py

keras3.npz, with channels first: input and output of two photos, layer.NAME of some layers, and grad_cam of
class 1 at the layer swish, sum_k mean(g_k) A_k before ReLU and scaling.
"""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from export_keras import channels_first, seeded
from keras import layers

from exports import photos

PATH = Path(__file__).resolve().parent / "onnx" / "keras3.onnx"
SIDE = 16


def network():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((SIDE, SIDE, 3))
    x = layers.Rescaling(2, offset=-1, name="rescaling")(inputs)
    x = layers.Conv2D(6, 3, strides=2, padding="same", use_bias=False, name="stem_conv")(x)
    x = layers.BatchNormalization(name="stem_bn")(x)
    stem = layers.ReLU(6, name="stem_relu")(x)
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depthwise")(stem)
    x = layers.BatchNormalization(name="depthwise_bn")(x)
    x = layers.Conv2D(6, 1, name="project")(layers.ReLU(name="depthwise_relu")(x))
    added = layers.Add(name="add")([stem, x])
    gate = layers.GlobalAveragePooling2D(keepdims=True, name="squeeze")(added)
    gate = layers.Conv2D(6, 1, activation="sigmoid", name="excite")(gate)
    x = layers.Multiply(name="gated")([added, gate])
    x = layers.MaxPooling2D(3, strides=2, name="pool")(layers.ZeroPadding2D(1, name="pad")(x))
    x = layers.UpSampling2D(2, name="up")(x)
    x = layers.Concatenate(name="joined")([added, x])
    x = layers.LayerNormalization(name="norm")(layers.Conv2D(8, 3, name="conv_1")(x))
    x = layers.Activation("swish", name="swish")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(inputs, layers.Dense(5, name="scores")(layers.Dropout(0.2)(x)), name="small_1.0")


if __name__ == "__main__":
    net = network()
    seeded(net, photos(SIDE, 2).permute(0, 2, 3, 1).numpy())
    x = tf.constant(photos(SIDE, 3).permute(0, 2, 3, 1).numpy())
    named = ["add", "gated", "pool", "joined", "swish"]
    inner = keras.Model(net.inputs, [net.output] + [net.get_layer(name).output for name in named])
    with tf.GradientTape() as tape:
        tape.watch(x)
        output, *values = inner(x)
        score = tf.reduce_sum(output[:, 1])
    gradient = tape.gradient(score, values[-1])
    heat = tf.reduce_sum(tf.reduce_mean(gradient, (1, 2), keepdims=True) * values[-1], -1)
    made = {"input": x, "output": output} | {f"layer.{name}": value for name, value in zip(named, values)}
    made = {key: channels_first(value).numpy() for key, value in made.items()}
    np.savez(PATH.with_suffix(".npz"), grad_cam=heat.numpy(), **made)
    net(x)  # Keras exports what has run.
    net.export(PATH, format="onnx", verbose=False)
    print(PATH.stat().st_size, PATH.with_suffix(".npz").stat().st_size, "bytes")
