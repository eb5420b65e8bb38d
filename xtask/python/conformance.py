"""Writes ONNX's own cases for its operators as files that need no inputs.

    python conformance.py FOLDER

FOLDER/NAME/constant.onnx has the case's inputs among its weights; photo.onnx has all but the first, where
that one may be maps; reference.npz has what comes out, and the first input. cases.txt lists the operator
and the name of each.
"""

import pathlib
import sys
import warnings

import numpy
import onnx
from onnx import numpy_helper

# What the importer is meant to know.
OPERATORS = """
    Conv ConvTranspose Gemm MatMul Einsum BatchNormalization InstanceNormalization GroupNormalization
    LayerNormalization LRN Relu LeakyRelu PRelu Elu Selu Celu ThresholdedRelu Clip Sigmoid HardSigmoid
    HardSwish Swish Mish Tanh Softmax LogSoftmax Softplus Softsign Gelu Erf MaxPool AveragePool LpPool
    GlobalAveragePool GlobalMaxPool GlobalLpPool ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax
    ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Add Sub Mul Div Pow Sqrt Exp Log Abs Neg
    Reciprocal Floor Ceil Round Mod Sin Cos Min Max Mean Sum Equal Greater GreaterOrEqual Less LessOrEqual
    And Or Xor Not Sign Where Concat Split Slice Pad Reshape Flatten Squeeze Unsqueeze Transpose Expand Tile
    Gather GatherElements GatherND ScatterND Shape Size Constant ConstantOfShape Range Cast CastLike Resize
    Upsample GridSample DepthToSpace SpaceToDepth Dropout Identity ArgMax ArgMin TopK NonMaxSuppression Trilu
    CumSum OneHot QuantizeLinear DequantizeLinear
""".split()

# Numbers that networks of floats are made of. Texts, complex numbers and those of a few bits are none; cases in
# bfloat16 compare roundings that the importer's 32-bit floats do not have.
KINDS = [
    onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE, onnx.TensorProto.BOOL,
    onnx.TensorProto.INT8, onnx.TensorProto.INT16, onnx.TensorProto.INT32, onnx.TensorProto.INT64,
    onnx.TensorProto.UINT8, onnx.TensorProto.UINT16, onnx.TensorProto.UINT32, onnx.TensorProto.UINT64,
]


def cases():
    """ONNX's own."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return collect_testcases(None)


def is_of_numbers(model):
    """Whether all that goes in and comes out is numbers of usual kinds."""
    for value in [*model.graph.input, *model.graph.output]:
        if value.type.WhichOneof("value") != "tensor_type" or value.type.tensor_type.elem_type not in KINDS:
            return False
    return True


def with_constants(model, inputs, first):
    """The model with all inputs from the `first` on among its weights."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    del made.graph.input[first:]
    for value, given in zip(model.graph.input[first:], inputs[first:]):
        kind = value.type.tensor_type.elem_type
        array = numpy.asarray(given)
        array = array.astype(onnx.helper.tensor_dtype_to_np_dtype(kind))
        made.graph.initializer.append(numpy_helper.from_array(array, value.name))
    return made


def plain(array):
    """An array, also where the case has ONNX's own tensor."""
    return numpy_helper.to_array(array) if isinstance(array, onnx.TensorProto) else numpy.asarray(array)


def write(case, folder):
    folder.mkdir(parents=True)
    inputs, outputs = ([plain(array) for array in arrays] for arrays in case.data_sets[0])
    onnx.save(with_constants(case.model, inputs, 0), folder / "constant.onnx")
    arrays = {f"output{i}": numpy.asarray(output).astype(numpy.float32) for i, output in enumerate(outputs)}
    first = numpy.asarray(inputs[0]) if inputs else None
    if first is not None and first.dtype == numpy.float32 and first.ndim == 4 and first.size > 0:
        onnx.save(with_constants(case.model, inputs, 1), folder / "photo.onnx")
        arrays["input"] = first
    arrays["tolerance"] = numpy.array([case.rtol, case.atol], numpy.float32)
    numpy.savez(folder / "reference.npz", **arrays)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for case in cases():
        kinds = {node.op_type for node in case.model.graph.node}
        domains = {node.domain for node in case.model.graph.node}
        if not kinds <= set(OPERATORS) or domains != {""} or not is_of_numbers(case.model):
            continue
        operator = case.model.graph.node[0].op_type if len(case.model.graph.node) == 1 else "(functions)"
        write(case, folder / case.name)
        lines.append(f"{operator} {case.name}\n")
    (folder / "cases.txt").write_text("".join(sorted(lines)))
    print(f"{len(lines)} cases of {len({line.split()[0] for line in lines})} operators")


if __name__ == "__main__":
    main()
