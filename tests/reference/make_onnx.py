"""Makes the small networks of tests/onnx.rs and what onnxruntime computes with them.

    python tests/reference/make_onnx.py     (onnx, onnxruntime, numpy)

Each is there for a form that exporters have used: options that became inputs, sizes computed from others,
batches frozen at 1, channels last.
"""

import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FOLDER = pathlib.Path(__file__).parent / "onnx"
N = helper.make_node
random = np.random.default_rng(0)


def f(*sizes):
    return (random.standard_normal(sizes) * 0.5).astype(np.float32)


def i(*numbers):
    return np.array(numbers, np.int64)


def save(name, opset, nodes, weights, frozen=False, last=False, compared=None, as_written=False):
    """The network, and its output for two photos, or another value; `as_written`, operation by operation."""
    batch = 1 if frozen else "N"
    sizes = [batch, 8, 8, 3] if last else [batch, 3, 8, 8]
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, sizes)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), key) for key, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, FOLDER / f"{name}.onnx")
    if compared:
        model.graph.output.insert(0, helper.make_tensor_value_info(compared, TensorProto.FLOAT, None))
    options = onnxruntime.SessionOptions()
    if as_written:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    photos = f(2, 3, 8, 8)
    given = np.ascontiguousarray(photos.transpose(0, 2, 3, 1)) if last else photos
    each = [given[:1], given[1:]] if frozen else [given]
    output = np.concatenate([session.run(None, {"x": photo})[0] for photo in each])
    if last and output.ndim == 4:
        output = output.transpose(0, 3, 1, 2)
    np.savez(FOLDER / f"{name}.npz", input=photos, output=output.astype(np.float32))


def conv(**options):
    return N("Conv", ["x", "conv1.weight", "conv1.bias"], ["c"], name="/conv1/Conv", **options)


def with_conv(**more):
    return {"conv1.weight": f(4, 3, 3, 3), "conv1.bias": f(4), **more}


def old_forms():
    same = conv(pads=[1, 1, 1, 1])
    save("upsample_7", 7, [same, N("Upsample", ["c"], ["y"], mode="linear", scales=[1.0, 1.0, 2.0, 2.0])], with_conv())
    save("upsample_9", 9, [same, N("Upsample", ["c", "s"], ["y"], mode="nearest")],
         with_conv(s=np.array([1, 1, 2, 1.5], np.float32)))
    save("resize_10", 10, [same, N("Resize", ["c", "s"], ["y"], mode="nearest")],
         with_conv(s=np.array([1, 1, 0.6, 1.3], np.float32)))
    save("pad_and_slice_9", 9, [
        same,
        N("Pad", ["c"], ["p"], mode="reflect", pads=[0, 0, 2, 1, 0, 0, 1, 3]),
        N("Slice", ["p"], ["y"], starts=[1, -5], ends=[3, 9999], axes=[1, 2]),
    ], with_conv())
    save("slice_10", 10, [same, N("Slice", ["c", "a", "e", "d", "s"], ["y"])],
         with_conv(a=i(-1, 2), e=i(-1000, -1), d=i(3, 2), s=i(-2, 3)))
    save("clip_10", 10, [same, N("Clip", ["c"], ["k"], min=-0.5, max=0.7), N("Dropout", ["k"], ["y"], ratio=0.3)],
         with_conv())
    save("top_k_9", 9, [same, N("TopK", ["c"], ["y", "places"], axis=3, k=4)], with_conv())
    save("softmax_11", 11, [same, N("Softmax", ["c"], ["y"], axis=1)], with_conv())
    save("softmax_13", 13, [same, N("Softmax", ["c"], ["y"], axis=1)], with_conv())
    for opset, split, weights in [(11, {"split": [1, 3]}, {}), (13, {}, {"s": i(1, 3)}), (18, {"num_outputs": 2}, {})]:
        inputs = ["c", "s"] if weights else ["c"]
        save(f"split_{opset}", opset, [
            same, N("Split", inputs, ["p", "q"], axis=1, **split), N("Concat", ["q", "p"], ["y"], axis=1)
        ], with_conv(**weights))
    save("squeeze_11", 11, [
        same,
        N("ReduceMean", ["c"], ["m"], axes=[2, 3], keepdims=1),
        N("Squeeze", ["m"], ["s"], axes=[2, 3]),
        N("Unsqueeze", ["s"], ["y"], axes=[1]),
    ], with_conv())


def windows():
    for name, options in {
        "ceil": dict(kernel_shape=[3, 3], strides=[3, 2], pads=[1, 1, 1, 1], ceil_mode=1, count_include_pad=1),
        "ceil_bare": dict(kernel_shape=[3, 2], strides=[3, 2], pads=[0, 1, 1, 0], ceil_mode=1),
        "same": dict(kernel_shape=[3, 2], strides=[2, 2], auto_pad="SAME_LOWER"),
        "gaps": dict(kernel_shape=[2, 3], strides=[1, 2], dilations=[2, 2], pads=[1, 1, 1, 1]),
    }.items():
        save(f"average_pool_{name}", 22, [N("AveragePool", ["x"], ["y"], **options)], {})
    save("max_pool", 22, [N("MaxPool", ["x"], ["y"], kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 2, 1])], {})
    lower = conv(auto_pad="SAME_LOWER", strides=[2, 3])
    save("conv_same_lower", 11, [lower, N("Relu", ["c"], ["y"])], with_conv())
    spread = {"w": f(3, 4, 3, 3), "b": f(4)}
    save("conv_transpose_shape", 11, [N("ConvTranspose", ["x", "w", "b"], ["y"], strides=[2, 2], output_shape=[17, 18])],
         spread)
    save("conv_transpose_same", 11, [N("ConvTranspose", ["x", "w", "b"], ["y"], strides=[2, 2], auto_pad="SAME_UPPER")],
         spread)


def sizes():
    same = conv(pads=[1, 1, 1, 1])
    save("computed_shape", 13, [
        same,
        N("Shape", ["c"], ["shape"]),
        N("Gather", ["shape", "zero"], ["photos"], axis=0),
        N("Concat", ["photos", "open"], ["to"], axis=0),
        N("Reshape", ["c", "to"], ["y"]),
    ], with_conv(zero=i(0), open=i(-1)))
    save("frozen_batch", 13, [
        same, N("Reshape", ["c", "to"], ["r"]), N("MatMul", ["r", "m"], ["p"]), N("Add", ["fc.bias", "p"], ["y"])
    ], {**with_conv(to=i(1, -1), m=f(256, 5)), "fc.bias": f(5)}, frozen=True)
    save("token", 13, [
        same,
        N("Shape", ["c"], ["shape"]),
        N("Gather", ["shape", "zero"], ["photos"], axis=0),
        N("Concat", ["photos", "one", "four"], ["to"], axis=0),
        N("Expand", ["cls_token", "to"], ["token"]),
        N("Reshape", ["c", "line"], ["r"]),
        N("Transpose", ["r"], ["t"], perm=[0, 2, 1]),
        N("Concat", ["token", "t"], ["y"], axis=1),
    ], with_conv(zero=i(0), one=i(1), four=i(4), line=i(0, 4, -1), cls_token=f(1, 1, 4)))


def channels_last():
    scope = "StatefulPartitionedCall/model/"
    first = [
        N("Transpose", ["x"], ["first"], perm=[0, 3, 1, 2], name=scope + "conv1/Conv2D__6"),
        N("Conv", ["first", "w", "b"], ["c"], auto_pad="SAME_UPPER", strides=[2, 2], name=scope + "conv1/Conv2D"),
    ]
    own = {"w": f(4, 3, 3, 3), "b": f(4)}
    save("keras", 13, first + [
        N("Transpose", ["c"], ["n"], perm=[0, 2, 3, 1]),
        N("Mul", ["n", "s"], ["scaled"], name=scope + "scale/mul"),
        N("Relu", ["scaled"], ["r"], name=scope + "relu1/Relu"),
        N("Pad", ["r", "pads"], ["p"]),
        N("Transpose", ["p"], ["q"], perm=[0, 3, 1, 2]),
        N("MaxPool", ["q"], ["m"], kernel_shape=[2, 2], name=scope + "pool1/MaxPool"),
        N("Transpose", ["m"], ["l"], perm=[0, 2, 3, 1]),
        N("ReduceMean", ["l"], ["g"], axes=[1, 2], keepdims=0, name=scope + "gap/Mean"),
        N("MatMul", ["g", "d"], ["dense"], name=scope + "fc/MatMul"),
        N("Add", ["dense", "e"], ["sum"], name=scope + "fc/BiasAdd"),
        N("Softmax", ["sum"], ["y"], axis=-1, name=scope + "fc/Softmax"),
    ], {**own, "s": f(4), "pads": i(0, 1, 0, 0, 0, 0, 1, 0), "d": f(4, 5), "e": f(5)}, last=True)
    save("keras_maps", 13, first + [N("Transpose", ["c"], ["n"], perm=[0, 2, 3, 1]), N("Sigmoid", ["n"], ["y"])],
         own, last=True)


def for_one_photo():
    same = conv(pads=[1, 1, 1, 1])
    # Into channel 2 of photo 0, the only one.
    save("scatter_frozen", 18, [
        same, N("Slice", ["c", "zero", "one", "dim"], ["v"]), N("Squeeze", ["v", "dim"], ["u"]),
        N("ScatterND", ["c", "place", "u"], ["y"]),
    ], with_conv(zero=i(0), one=i(1), dim=i(1), place=np.array([[0, 2]], np.int64)), frozen=True)
    save("squeezed_frozen", 18, [
        same, N("Squeeze", ["c", "zero"], ["s"]), N("Softmax", ["s"], ["t"], axis=0),
        N("ReduceMax", ["t", "maps"], ["m"], keepdims=0), N("MatMul", ["m", "fc"], ["p"]),
        N("Unsqueeze", ["p", "zero"], ["y"]),
    ], with_conv(zero=i(0), maps=i(1, 2), fc=f(4, 5)), frozen=True)
    save("boxes", 13, [
        conv(strides=[2, 2]), N("Reshape", ["c", "line"], ["r"]), N("Transpose", ["r"], ["boxes"], perm=[0, 2, 1]),
        N("Slice", ["r", "zero", "two", "dim"], ["t"]), N("Sigmoid", ["t"], ["scores"], name="/head/Sigmoid"),
        N("NonMaxSuppression", ["boxes", "scores", "most", "overlap"], ["chosen"]),
        N("Cast", ["chosen"], ["y"], to=TensorProto.FLOAT),
    ], with_conv(line=i(0, 4, -1), zero=i(0), two=i(2), dim=i(1), most=i(3), overlap=np.array([0.5], np.float32)),
         compared="scores")


def number(value):
    """A constant of one number, as an initializer's name and value."""
    name = f"n{value}".replace(".", "_").replace("-", "m")
    return name, np.array(value, np.float32)


def written(module, *calls):
    """Nodes of a module, as PyTorch's older exporter names them; numbers become constants. The last result has the module's name."""
    nodes, constants = [], {}
    for count, (kind, *inputs, options) in enumerate(calls):
        for place, given in enumerate(inputs):
            if isinstance(given, float):
                inputs[place], value = number(given)
                constants[inputs[place]] = value
            elif given.startswith("."):
                inputs[place] = module + given
        last = count == len(calls) - 1
        name = f"/{module}/{kind}" + (f"_{count}" if count else "")
        nodes.append(N(kind, inputs, [module if last else f"{module}.{count}"], name=name, **options))
    return nodes, constants


def spelled_out():
    """Layers in several operations; `.1` is what the second of a module's made, c the maps."""
    o = {}
    cubes = [("Mul", "c", "c", o), ("Mul", "c", ".0", o), ("Mul", 0.044715, ".1", o)]
    powers = [("Pow", "c", 3.0, o), ("Mul", 0.044715, ".0", o)]
    eps = 1e-5
    layers = {
        "gelu": [("Div", "c", 2.0**0.5, o), ("Erf", ".0", o), ("Add", ".1", 1.0, o), ("Mul", "c", ".2", o), ("Mul", ".3", 0.5, o)],
        "gelu2": [("Mul", 0.5**0.5, "c", o), ("Erf", ".0", o), ("Add", 1.0, ".1", o), ("Mul", 0.5, ".2", o), ("Mul", ".3", "c", o)],
        "gelu3": [("Mul", "c", 0.5, o), ("Mul", "c", 0.5**0.5, o), ("Erf", ".1", o), ("Mul", ".2", 0.25, o), ("Add", ".3", 0.25, o),
                  ("Mul", ".0", ".4", o), ("Mul", ".5", 4.0, o)],
        "tanh": [*cubes, ("Add", "c", ".2", o), ("Mul", (2 / np.pi) ** 0.5, ".3", o), ("Tanh", ".4", o), ("Add", 1.0, ".5", o),
                 ("Mul", "c", ".6", o), ("Mul", 0.5, ".7", o)],
        "tanh2": [*powers, ("Add", ".1", "c", o), ("Mul", ".2", (2 / np.pi) ** 0.5, o), ("Tanh", ".3", o), ("Add", ".4", 1.0, o),
                  ("Mul", 0.5, ".5", o), ("Mul", "c", ".6", o)],
        "tanh3": [("Mul", "c", (2 / np.pi) ** 0.5, o), ("Mul", "c", 0.044715, o), ("Mul", ".1", "c", o), ("Add", ".2", 1.0, o),
                  ("Mul", ".0", ".3", o), ("Tanh", ".4", o), ("Add", 1.0, ".5", o), ("Mul", "c", 0.5, o), ("Mul", ".7", ".6", o)],
        "swish": [("Sigmoid", "c", o), ("Mul", "c", ".0", o)],
        "mish": [("Softplus", "c", o), ("Tanh", ".0", o), ("Mul", ".1", "c", o)],
        "hard": [("HardSigmoid", "c", {"alpha": 1 / 6}), ("Mul", "c", ".0", o)],
        "hard2": [("Add", "c", 3.0, o), ("Clip", ".0", 0.0, 6.0, o), ("Mul", "c", ".1", o), ("Div", ".2", 6.0, o)],
        "hard3": [("Mul", "c", 1 / 6, o), ("Add", ".0", 0.5, o), ("Clip", ".1", 0.0, 1.0, o), ("Mul", ".2", "c", o)],
        "gate": [("Add", "c", 3.0, o), ("Clip", ".0", 0.0, 6.0, o), ("Div", ".1", 6.0, o)],
        "gate2": [("Mul", "c", 1 / 6, o), ("Add", ".0", 0.5, o), ("Clip", ".1", 0.0, 1.0, o)],
        "softsign": [("Abs", "c", o), ("Add", ".0", 1.0, o), ("Div", "c", ".1", o)],
        "norm": [("ReduceMean", "c", {"axes": [-1]}), ("Sub", "c", ".0", o), ("Pow", ".1", 2.0, o), ("ReduceMean", ".2", {"axes": [-1]}),
                 ("Add", ".3", eps, o), ("Sqrt", ".4", o), ("Div", ".1", ".5", o), ("Mul", ".6", "norm.weight", o), ("Add", ".7", "norm.bias", o)],
        "norm2": [("ReduceMean", "c", {"axes": [3]}), ("Sub", "c", ".0", o), ("Mul", ".1", ".1", o), ("ReduceMean", ".2", {"axes": [3]}),
                  ("Add", ".3", eps, o), ("Sqrt", ".4", o), ("Reciprocal", ".5", o), ("Mul", ".1", ".6", o)],
        "group": [("Shape", "c", o), ("Reshape", "c", "lines", o), ("InstanceNormalization", ".1", "ones", "zeros", {"epsilon": 1e-3}),
                  ("Reshape", ".2", ".0", o), ("Mul", ".3", "group.weight", o), ("Add", ".4", "group.bias", o)],
        "group2": [("Reshape", "c", "lines", o), ("InstanceNormalization", ".0", "ones", "zeros", {"epsilon": 1e-3}),
                   ("Reshape", ".1", "maps", o), ("Mul", ".2", 1.0, o)],
        "log": [("Sigmoid", "c", o), ("Log", ".0", o)],
        "softmax": [("ReduceMax", "c", {"axes": [1]}), ("Sub", "c", ".0", o), ("Exp", ".1", o), ("ReduceSum", ".2", "one", o), ("Div", ".2", ".3", o)],
    }
    unlike = {
        # Others read what lies between.
        "read": [("Sigmoid", "c", o), ("Mul", "c", ".0", o), ("Add", ".0", ".1", o)],
        # Another number, and one that is rounded.
        "less": [("Div", "c", 2.0**0.5, o), ("Erf", ".0", o), ("Add", ".1", 1.0, o), ("Mul", "c", ".2", o), ("Mul", ".3", 0.49, o)],
        "rounded": [("Div", "c", 1.414, o), ("Erf", ".0", o), ("Add", ".1", 1.0, o), ("Mul", "c", ".2", o), ("Mul", ".3", 0.5, o)],
        # The gate of something else.
        "other": [("Sigmoid", "gate", o), ("Mul", "c", ".0", o)],
        # Groups with numbers of their own.
        "groups": [("Shape", "c", o), ("Reshape", "c", "lines", o), ("InstanceNormalization", ".1", "twos", "zeros", o),
                   ("Reshape", ".2", ".0", o)],
        # Over the channels, which no layer norm is.
        "channels": [("ReduceMean", "c", {"axes": [1]}), ("Sub", "c", ".0", o), ("Pow", ".1", 2.0, o), ("ReduceMean", ".2", {"axes": [1]}),
                     ("Add", ".3", eps, o), ("Sqrt", ".4", o), ("Div", ".1", ".5", o)],
    }
    for name, modules in [("spelled_out", layers), ("spelled_alike", {**unlike, "gate": layers["gate"]})]:
        nodes, weights = [], {}
        for module, calls in modules.items():
            own, constants = written(module, *calls)
            nodes += own
            weights |= constants
        own = {"lines": i(0, 2, -1), "ones": np.ones(2, np.float32), "zeros": np.zeros(2, np.float32)}
        if name == "spelled_out":
            own |= {"norm.weight": f(8), "norm.bias": f(8), "one": i(1), "maps": i(0, 4, 8, 8), "group.weight": f(4, 1, 1), "group.bias": f(4, 1, 1)}
        else:
            own |= {"twos": np.full(2, 2, np.float32)}
        save(name, 13, [conv(pads=[1, 1, 1, 1]), *nodes, N("Concat", list(modules), ["y"], axis=1)],
             with_conv(**weights, **own), as_written=True)


def standardized():
    """Weights that a batch norm in training normalises, as PyTorch's older exporter writes them for networks without
    normalisation.
    """
    nodes = [
        N("Reshape", ["w", "rows"], ["r"]),
        N("BatchNormalization", ["r", "gain", "shift", "zero", "one"], ["s", "mean", "variance"], training_mode=1),
        N("Reshape", ["s", "kernels"], ["k"]),
        N("Conv", ["x", "k"], ["y"], name="/conv1/Conv"),
    ]
    weights = {"w": f(4, 3, 3, 3), "rows": i(1, 4, 27), "kernels": i(4, 3, 3, 3), "gain": f(4), "shift": f(4)}
    save("standardized", 17, nodes, {**weights, "zero": np.zeros(4, np.float32), "one": np.ones(4, np.float32)})


def main():
    FOLDER.mkdir(exist_ok=True)
    old_forms()
    windows()
    sizes()
    channels_last()
    for_one_photo()
    spelled_out()
    standardized()
    print(sum(file.stat().st_size for file in FOLDER.iterdir()), "bytes")


if __name__ == "__main__":
    main()
