"""Make fuzz/seeds/onnx/: small networks as PyTorch's two exporters write them, and what they never write.

    pip install -r tests/reference/requirements.txt
    python tests/reference/make_onnx_seeds.py

Weights are those of formula.py. What tells of the machine, stack traces, is taken out of the graphs.
"""

import io
from pathlib import Path

import numpy as np
import onnx
import torch
from exports import Layers
from formula import with_formula_weights
from onnx import TensorProto, helper, numpy_helper, parser

FOLDER = Path(__file__).resolve().parents[2] / "fuzz" / "seeds" / "onnx"


def dynamo():
    net = with_formula_weights(Layers()).eval()
    batch = torch.export.Dim("batch", min=2, max=64)
    program = torch.onnx.export(
        net, (torch.zeros(2, 3, 8, 8),), dynamo=True, dynamic_shapes={"x": {0: batch}}, verbose=False
    )
    model = program.model_proto
    del model.metadata_props[:]
    for node in model.graph.node:
        kept = [prop for prop in node.metadata_props if prop.key.endswith("name_scopes")]
        kept = [(prop.key, prop.value) for prop in kept]
        del node.metadata_props[:]
        helper.set_model_props(node, dict(kept))
    for value in [*model.graph.value_info, *model.graph.input, *model.graph.output]:
        del value.metadata_props[:]
    for tensor in model.graph.initializer:
        del tensor.metadata_props[:]
    return model


def torchscript():
    """Weights stand among the inputs, too, as all exporters once wrote them."""
    net = with_formula_weights(Layers()).eval()
    file = io.BytesIO()
    torch.onnx.export(
        net,
        (torch.zeros(1, 3, 8, 8),),
        file,
        dynamo=False,
        opset_version=13,
        keep_initializers_as_inputs=True,
        input_names=["photo"],
        output_names=["scores"],
        dynamic_axes={"photo": {0: "batch"}},
    )
    return onnx.load_model_from_string(file.getvalue())


def functions():
    """Functions within functions, options that are passed on, given or left out, results nobody uses."""
    return parser.parse_model(
        """
        <ir_version: 10, opset_import: ["" : 18, "local" : 1]>
        network (float[N, 4] x) => (float[N, 4] y, float[N, 4] z)
        <float[4] shift = {1.0, 2.0, 3.0, 4.0}>
        {
            a, unused = local.twice <slope = 0.5> (x, shift)
            y = local.twice (a)
            z = local.leaky <slope = 0.25> (y)
        }
        <domain: "local", opset_import: ["" : 18, "local" : 1]>
        twice <slope: float = 0.125> (input, bias) => (output, between)
        {
            between = local.leaky <slope: float = @slope> (input)
            output = local.leaky <slope: float = @slope> (between)
        }
        <domain: "local", opset_import: ["" : 18]>
        leaky <slope> (input) => (output)
        {
            between = LeakyRelu <alpha: float = @slope> (input)
            output = Identity (between)
        }
        """
    )


def types():
    """Each type, as bytes and as numbers, and each kind of option."""
    tensors = []
    numbers = {
        TensorProto.FLOAT: [1.5, -2],
        TensorProto.DOUBLE: [0.1, -2],
        TensorProto.FLOAT16: [1.5, -2],
        TensorProto.BFLOAT16: [1.5, -2],
        TensorProto.BOOL: [True, False],
        TensorProto.UINT8: [1, 255],
        TensorProto.INT8: [1, -2],
        TensorProto.UINT16: [1, 65535],
        TensorProto.INT16: [1, -2],
        TensorProto.UINT32: [1, 2**32 - 1],
        TensorProto.INT32: [1, -2],
        TensorProto.UINT64: [1, 2**63 - 1],
        TensorProto.INT64: [1, -(2**63)],
        TensorProto.COMPLEX64: [1, 2j],
        TensorProto.FLOAT8E4M3FN: [1, 2],
        TensorProto.INT4: [1, -2],
    }
    for kind, values in numbers.items():
        name = TensorProto.DataType.Name(kind).lower()
        tensors.append(helper.make_tensor(f"{name}_numbers", kind, [2], values))
        dtype = helper.tensor_dtype_to_np_dtype(kind)
        raw = numpy_helper.from_array(np.array(values).astype(dtype), f"{name}_bytes")
        tensors.append(raw)
    tensors.append(helper.make_tensor("string", TensorProto.STRING, [2], [b"cat", b"dog"]))
    tensors.append(helper.make_tensor("single", TensorProto.INT64, [], [7]))
    tensors.append(helper.make_tensor("empty", TensorProto.FLOAT, [0, 3], []))
    inner = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["inner"])],
        "inner",
        [],
        [helper.make_tensor_value_info("inner", TensorProto.FLOAT, [1])],
    )
    floats = helper.make_tensor("", TensorProto.FLOAT, [1], [0.5])
    nodes = [
        helper.make_node("Constant", [], ["constant"], value=floats),
        helper.make_node("If", ["bool_bytes"], ["chosen"], then_branch=inner, else_branch=inner),
        helper.make_node(
            "Options",
            ["constant", "", "chosen"],
            ["", "y"],
            domain="of.nobody",
            name="options",
            number=1.5,
            integer=-2,
            text="NOTSET",
            bytes=b"\xff",
            numbers=[1.5, 2.5],
            integers=[1, -2],
            texts=["a", "b"],
            tensors=[floats],
        ),
    ]
    graph = helper.make_graph(
        nodes,
        "types",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, None, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        tensors,
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("of.nobody", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10, producer_name="by hand")


def unsorted():
    """Operations that stand before those whose results they use, which ONNX does not allow."""
    model = parser.parse_model(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        network (float[1] x) => (float[1] z)
        {
            y = Relu (x)
            z = Sigmoid (y)
        }
        """
    )
    model.graph.node.reverse()
    return model


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for make in [dynamo, torchscript, functions, types, unsorted]:
        (FOLDER / f"{make.__name__}.onnx").write_bytes(make().SerializeToString())
