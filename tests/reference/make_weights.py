"""Make tests/reference/weights/: small files of weights in every format, and what they hold.

    pip install -r tests/reference/requirements.txt
    python tests/reference/make_weights.py

expected.json has for each good file its tensors' shapes and their values as 32-bit floats in
row-major order, as Python itself reads them ("inf", "-inf" and "nan" are texts); what is quantised, as
PyTorch dequantises it. Files that are not
in it must be refused. tch's .ot is written by the test itself.
"""

import argparse
import builtins
import copy
import io
import json
import math
import os
import pickle
import struct
import zipfile
from collections import OrderedDict, defaultdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

FOLDER = Path(__file__).resolve().parent / "weights"
EXPECTED = {}
NEW, OLD = {}, {"_use_new_zipfile_serialization": False}


def expect(name, tensors):
    entries = {}
    for key, tensor in tensors.items():
        tensor = torch.as_tensor(tensor).detach()
        tensor = tensor.dequantize() if tensor.is_quantized else tensor
        values = [v if math.isfinite(v) else str(v) for v in tensor.float().flatten().tolist()]
        entries[key] = {"shape": list(tensor.shape), "values": values}
    EXPECTED[name] = entries


def save_both(name, value, tensors, **options):
    """As PyTorch has saved since 1.6, and as before."""
    for suffix, form in [("new", NEW), ("old", OLD)]:
        torch.save(value, FOLDER / f"{name}_{suffix}.pth", **form, **options)
        expect(f"{name}_{suffix}.pth", tensors)


def types():
    return OrderedDict(
        half=torch.tensor([0.1, -(2.0**-24), 65504.0, math.inf, math.nan], dtype=torch.float16),
        bfloat=torch.tensor([0.1, -3e38, 1e-40, -math.inf], dtype=torch.bfloat16),
        single=torch.tensor([[0.1, -0.0, 3.4e38], [1e-45, math.inf, math.nan]]),
        double=torch.tensor([0.1, 1e300, -1e-300], dtype=torch.float64),
        int8=torch.tensor([-128, 127], dtype=torch.int8),
        uint8=torch.tensor([0, 255], dtype=torch.uint8),
        int16=torch.tensor([-32768, 32767], dtype=torch.int16),
        int32=torch.tensor([-(2**31), 2**24 + 1], dtype=torch.int32),
        int64=torch.tensor([-(2**63), 2**53 + 1], dtype=torch.int64),
        bool=torch.tensor([True, False]),
        scalar=torch.tensor(2.5),
        empty=torch.zeros(0, 3),
    )


def views():
    """Tensors that are not the whole of their storage in row-major order."""
    base = torch.arange(24.0).reshape(2, 3, 4)
    return {
        "shared": base,
        "transposed": base.transpose(0, 2),
        "slice": base[:, 1:, ::2],
        "last": base[1, 2, 3],
        "expanded": torch.tensor([1.0, 2.0]).expand(3, 2),
        "channels_last": torch.arange(24.0).reshape(1, 2, 3, 4).to(memory_format=torch.channels_last),
        "parameter": nn.Parameter(torch.tensor([0.5, -0.5])),
        "empty": base[2:],
    }


def checkpoint(state):
    """What training scripts save around the weights."""
    optimizer = {"state": {0: {"step": torch.tensor(3.0), "momentum": torch.ones(2)}}}
    return {
        "epoch": 3,
        "best": np.float64(0.75),
        "rate": 0.1,
        "shape": torch.Size([1, 2]),
        "device": torch.device("cpu"),
        "dtype": torch.float32,
        "tags": {"a", "b"},
        "large": 2**80,
        "note": b"bytes",
        "counts": defaultdict(dict),
        "arguments": argparse.Namespace(rate=0.1),
        "optimizer": optimizer,
        **state,
    }


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))


def pytorch():
    save_both("types", types(), types())
    save_both("views", views(), views())
    # Tensors with attributes are rebuilt by another function; so are types without a storage class.
    marked = torch.tensor([1.0, 2.0])
    marked.note = "x"
    parameter = nn.Parameter(torch.tensor([3.0]))
    parameter.note = "y"
    rare = {"marked": marked, "parameter": parameter}
    save_both("rare", rare, rare)
    unsigned = {"unsigned": torch.tensor([65535, 1], dtype=torch.uint16)}
    torch.save(unsigned, FOLDER / "unsigned.pth")
    expect("unsigned.pth", unsigned)
    state = network().state_dict()  # with the attribute _metadata
    save_both("network", state, state)
    parallel = nn.DataParallel(network()).state_dict()
    save_both("parallel", checkpoint({"state_dict": parallel}), parallel)
    save_both("model", checkpoint({"model": state}), state)
    save_both("model_state_dict", checkpoint({"model_state_dict": state}), state)
    save_both("net", checkpoint({"net": state}), state)
    averaged = {key: value * 2 for key, value in state.items()}
    both = {"state_dict_ema": averaged, "state_dict": state, "class_to_idx": {"dog": 1, "cat": 0}}
    save_both("averaged", checkpoint(both), state)
    torch.save({"ema": averaged, "names": {0: "cat", 1: "dog"}}, FOLDER / "ema.pth")
    expect("ema.pth", averaged)
    torch.save({"network": wrapped(), "classes": ["cat", "dog"]}, FOLDER / "wrapped.pth")
    expect("wrapped.pth", wrapped())
    odd = {"class_to_idx": {"a": 0, "b": 0}, "classes": [1, 2], "names": {0: "a", 5: "b"}}
    torch.save({"state_dict": state, **odd}, FOLDER / "odd_names.pth")
    expect("odd_names.pth", state)
    small = {"w": torch.tensor([[1.0, 2.0], [3.0, 4.0]])}
    save_both("protocol4", small, small, pickle_protocol=4)

    torch.serialization.set_crc32_options(False)
    torch.save(small, FOLDER / "no_checksums.pth")
    torch.serialization.set_crc32_options(True)
    expect("no_checksums.pth", small)
    torch.save(small, FOLDER / "small.pth")
    expect("small.pth", small)
    rezip("small.pth", "deflated.pth", compression=zipfile.ZIP_DEFLATED)
    rezip("small.pth", "big_endian.pth", {"byteorder": b"big", "data/0": swapped(small["w"])})
    limit, zipfile.ZIP64_LIMIT = zipfile.ZIP64_LIMIT, 10  # as if ten bytes were four gigabytes
    rezip("small.pth", "zip64.pth")
    zipfile.ZIP64_LIMIT = limit
    # The end record must refer to the one for large archives, too.
    data = (FOLDER / "zip64.pth").read_bytes()
    (FOLDER / "zip64.pth").write_bytes(data[:-10] + b"\xff" * 8 + data[-2:])
    for name in ["deflated.pth", "big_endian.pth", "zip64.pth"]:
        expect(name, small)

    inner = nn.Sequential(OrderedDict(model=nn.Conv2d(1, 1, 1), norm=nn.BatchNorm2d(1)))
    script = torch.jit.trace(nn.Sequential(inner).eval(), torch.zeros(1, 1, 2, 2))
    script.save(FOLDER / "script.pt")
    # The places of PyTorch's source files are nobody's business.
    rezip("script.pt", "script.pt", without=".debug_pkl")
    expect("script.pt", script.state_dict())
    python2("python2_old.pth")


def wrapped():
    """As averaging leaves a compiled network in somebody's module, with a profiler's counts."""
    state = {f"module._orig_mod.model.{key}": value for key, value in network().state_dict().items()}
    count = torch.zeros(1, dtype=torch.float64)
    return {"n_averaged": torch.tensor(7), **state, "module._orig_mod.model.total_ops": count}


def wave(*shape):
    """Values from -1 to 1 by formula."""
    count = math.prod(shape)
    return torch.sin(torch.arange(count, dtype=torch.float64) * 1.7).float().reshape(shape)


def quantised():
    scales, zeros = torch.tensor([0.01, 0.003], dtype=torch.float64), torch.tensor([3, -7])
    per_tensor = torch.quantize_per_tensor(wave(3, 4), 0.013, 77, torch.quint8)
    rows = torch.quantize_per_channel(wave(2, 3), scales, zeros, 0, torch.qint8)
    return {
        "quint8": per_tensor,
        "qint8": torch.quantize_per_tensor(wave(5), 0.1, -3, torch.qint8),
        "qint32": torch.quantize_per_tensor(wave(5), 1e-7, 0, torch.qint32),
        "transposed": per_tensor.t(),
        "rows": rows,
        "columns": torch.quantize_per_channel(wave(3, 2), scales, zeros, 1, torch.qint8),
        "kernels": torch.quantize_per_channel(wave(2, 1, 3, 3), scales, zeros, 0, torch.qint8),
        "floats": torch.quantize_per_channel(
            wave(2, 3), torch.tensor([0.02, 0.01]), torch.tensor([0.5, -0.25]), 0, torch.quint8
        ),
        "plain": wave(2),
    }


def quantised_network():
    conv, fc = nn.Conv2d(1, 2, 3), nn.Linear(8, 2)
    for parameter in [*conv.parameters(), *fc.parameters()]:
        parameter.data = wave(*parameter.shape)
    layers = OrderedDict(conv=conv, flatten=nn.Flatten(), fc=fc)
    net = nn.Sequential(OrderedDict(quant=torch.ao.quantization.QuantStub(), **layers)).eval()
    net.qconfig = torch.ao.quantization.get_default_qconfig("x86")
    prepared = torch.ao.quantization.prepare(net)
    prepared(wave(1, 1, 4, 4))
    return torch.ao.quantization.convert(prepared)


def eight_bits():
    save_both("quantised", quantised(), quantised())
    net = quantised_network()
    tensors = {}
    for key, value in net.state_dict().items():
        if key.endswith("._packed_params._packed_params"):
            layer = key.removesuffix("._packed_params._packed_params")
            tensors[f"{layer}.weight"], tensors[f"{layer}.bias"] = value
        elif isinstance(value, torch.Tensor):
            tensors[key] = value
    save_both("quantised_network", net.state_dict(), tensors)
    torch.jit.trace(net, wave(1, 1, 4, 4)).save(FOLDER / "quantised.pt")
    rezip("quantised.pt", "quantised.pt", without=".debug_pkl")
    # There, what layers know of their outputs are no tensors, but for the first.
    names = [n for n in tensors if n.endswith((".weight", ".bias")) or n.startswith("quant.")]
    expect("quantised.pt", {name: tensors[name] for name in names})


class Fused(nn.Module):
    """A convolution with its batch norm and rectifier, twice, the second time without a rectifier."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4)
        self.conv2, self.bn2 = nn.Conv2d(4, 2, 1, bias=False), nn.BatchNorm2d(2)
        self.relu, self.fc = nn.ReLU(), nn.Linear(8, 2)
        self.quant = torch.ao.quantization.QuantStub()

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(self.quant(x))))
        return self.fc(self.bn2(self.conv2(x)).flatten(1))


def fused():
    """A network whose batch norms PyTorch fused into convolutions before it quantised these; and what the
    same layers with the weights as floats return."""
    net = Fused().eval()
    for i, tensor in enumerate(net.state_dict().values()):
        if tensor.is_floating_point():
            tensor.copy_(wave(*tensor.shape).abs() + 0.5 if tensor.dim() == 1 else wave(*tensor.shape) / (1 + i))
    net = torch.ao.quantization.fuse_modules(net, [["conv1", "bn1", "relu"], ["conv2", "bn2"]])
    net.qconfig = torch.ao.quantization.get_default_qconfig("x86")
    prepared = torch.ao.quantization.prepare(net)
    x = wave(2, 1, 4, 4)
    prepared(x)
    net = torch.ao.quantization.convert(prepared)
    torch.save(net.state_dict(), FOLDER / "fused.pth")
    tensors = {f"{n}.{what}": get() for n in ["conv1", "conv2", "fc"] for what, get in
               [("weight", getattr(net, n).weight), ("bias", getattr(net, n).bias)]}
    y = F.conv2d(x, tensors["conv1.weight"].dequantize(), tensors["conv1.bias"]).relu()
    y = F.conv2d(y, tensors["conv2.weight"].dequantize(), tensors["conv2.bias"]).flatten(1)
    y = F.linear(y, tensors["fc.weight"].dequantize(), tensors["fc.bias"])
    others = {k: v for k, v in net.state_dict().items() if isinstance(v, torch.Tensor)}
    expect("fused.pth", {**others, **tensors})
    save_file({"x": x, "y": y.detach()}, FOLDER / "fused_pass.safetensors")
    expect("fused_pass.safetensors", {"x": x, "y": y})


def eighths():
    """8-bit floats with scales for the whole, for each channel, and for blocks, as several tools name them."""
    e4m3, e5m2 = torch.float8_e4m3fn, torch.float8_e5m2
    tensors = {
        "a.weight": wave(2, 3).to(e4m3),
        "a.weight_scale": torch.tensor(0.25),
        "b.weight": (wave(2, 1, 3, 3) * 100).to(e5m2),
        "b.scale_weight": torch.tensor([0.5, 2.0]).reshape(2, 1),
        "c.weight": wave(4, 4).to(e4m3),
        "c.weight_scale_inv": torch.tensor([[0.5, 2.0], [1.0, 4.0]]),
        "plain": torch.tensor([448.0, -(2.0**-9), 0.0, math.nan]).to(e4m3),
        "wide": torch.tensor([57344.0, 2.0**-16, -math.inf]).to(e5m2),
    }
    floats = {name: tensor.float() for name, tensor in tensors.items()}
    floats["a.weight"] *= floats.pop("a.weight_scale")
    floats["b.weight"] *= floats.pop("b.scale_weight").reshape(2, 1, 1, 1)
    torch.save(tensors, FOLDER / "float8.pth")
    save_file(tensors, FOLDER / "float8.safetensors")
    expect("float8.pth", floats)
    expect("float8.safetensors", floats)


def swapped(tensor):
    return tensor.numpy().astype(">f4").tobytes()


def rezip(source, target, changes={}, without=None, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(FOLDER / source) as old:
        members = {member.filename.split("/", 1)[1]: old.read(member) for member in old.infolist()}
    with zipfile.ZipFile(FOLDER / target, "w") as new:
        for name, data in (members | changes).items():
            if without is None or not name.endswith(without):
                info = zipfile.ZipInfo(f"archive/{name}")
                info.compress_type = compression
                new.writestr(info, data)


class Reference:
    def __init__(self, *reference):
        self.reference = reference


class OldPickler(pickle._Pickler):
    """Texts as Python 2 wrote them, and storages as persistent references."""

    dispatch = dict(pickle._Pickler.dispatch)

    def persistent_id(self, value):
        return value.reference if isinstance(value, Reference) else None

    def save_text(self, text):
        data = text.encode("latin-1")
        self.write(pickle.SHORT_BINSTRING + bytes([len(data)]) + data)
        self.memoize(text)

    dispatch[str] = save_text


class Rebuilt:
    """A tensor, by the arguments that rebuild it."""

    function = staticmethod(torch._utils._rebuild_tensor)

    def __init__(self, *arguments):
        self.arguments = arguments

    def __reduce__(self):
        return self.function, self.arguments


class Requantised(Rebuilt):
    function = staticmethod(torch._utils._rebuild_qtensor)


class Python2Dict(dict):
    """Python 2's OrderedDict was made of pairs."""

    def __reduce__(self):
        return OrderedDict, ([[key, value] for key, value in self.items()],)


def old_form(value, keys, storages):
    out = io.BytesIO()
    sizes = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    for part in [torch.serialization.MAGIC_NUMBER, 1001, sizes, value, keys]:
        OldPickler(out, 2).dump(part)
    for storage in storages:
        out.write(struct.pack("<q", len(storage)) + np.asarray(storage, getattr(storage, "dtype", "<f4")).tobytes())
    return out.getvalue()


def python2(name):
    """As Python 2 and PyTorch up to 0.4 wrote: pairs, byte strings, and views of storages."""

    def storage(view):
        return Reference("storage", torch.FloatStorage, "140", "cuda:0", 6, view)

    whole = Rebuilt(storage(None), 0, (2, 3), (3, 1))
    part = Rebuilt(storage(("141", 2, 4)), 1, (2,), (1,))
    value = Python2Dict([("whole", whole), ("part", part)])
    (FOLDER / name).write_bytes(old_form(value, ["140"], [[0, 1, 2, 3, 4, 5]]))
    expect(name, {"whole": torch.arange(6.0).reshape(2, 3), "part": torch.tensor([3.0, 4.0])})


def safetensors():
    tensors = {key: value.contiguous() for key, value in types().items()}
    save_file(tensors, FOLDER / "types.safetensors", {"format": "pt"})
    expect("types.safetensors", tensors)
    parallel = {"module.w": torch.ones(2), "module.b": torch.zeros(1)}
    save_file(parallel, FOLDER / "parallel.safetensors")
    expect("parallel.safetensors", parallel)


def shards():
    """Weights that are spread over files, as transformers and diffusers save large ones."""
    tensors = {name: wave(2, number) for number, name in enumerate(["a", "b", "c"], 1)}
    for ending, index, save in [
        ("safetensors", "model.safetensors", save_file),
        ("bin", "pytorch_model.bin", torch.save),
    ]:
        stem = index.split(".")[0]
        first, second = [f"{stem}-0000{i}-of-00002.{ending}" for i in [1, 2]]
        save({"a": tensors["a"], "c": tensors["c"]}, FOLDER / first)
        save({"b": tensors["b"]}, FOLDER / second)
        places = {"a": first, "b": second, "c": first}
        text = json.dumps({"metadata": {"total_size": 48}, "weight_map": places}, indent=2)
        (FOLDER / f"{index}.index.json").write_text(text + "\n")
        expect(first, {"a": tensors["a"], "c": tensors["c"]})
        expect(second, {"b": tensors["b"]})
        expect(f"{index}.index.json", tensors)


def numpy():
    table = np.arange(6).reshape(2, 3)
    arrays = {
        "conv.weight": table.astype("<f4"),
        "fortran": np.asfortranarray(np.arange(24.0).reshape(2, 3, 4)),
        "big": table.astype(">f4"),
        "big_fortran": np.asfortranarray(table.astype(">i4")),
        "half": np.array([0.1, -(2.0**-24)], "<f2"),
        "double": np.array([0.1, 1e300]),
        "bool": np.array([True, False]),
        "scalar": np.array(2.5, "<f4"),
        "empty": np.zeros((0, 3), "<f4"),
    }
    for kind in ["i1", "i2", "i4", "i8", "u1", "u2", "u4"]:
        arrays[kind] = np.array([np.iinfo(kind).min, np.iinfo(kind).max], f"<{kind}")
    with np.errstate(over="ignore"):
        tensors = {key: torch.from_numpy(np.array(a, "f4", order="C")) for key, a in arrays.items()}
    np.savez(FOLDER / "stored.npz", **arrays)
    expect("stored.npz", tensors)
    np.savez_compressed(FOLDER / "deflated.npz", **arrays)
    expect("deflated.npz", tensors)


class Calls:
    """A pickle that would call a function as soon as Python reads it."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


# Made so that PyTorch finds no source code of it, which it would save, and the file's place.
Net = type("Net", (nn.Module,), {"__module__": "__main__"})


def archive(name, data_pkl):
    with zipfile.ZipFile(FOLDER / name, "w") as new:
        new.writestr(zipfile.ZipInfo("archive/data.pkl"), data_pkl)
        new.writestr(zipfile.ZipInfo("archive/data/0"), bytes(16))


def misquantised():
    """Quantised tensors whose scales do not fit."""

    def storage(kind, key, count):
        return Reference("storage", kind, key, "cpu", count, None)

    def floats(count):
        return Rebuilt(storage(torch.FloatStorage, "2", 3), 0, (count,), (1,))

    def tensor(*how):
        return Requantised(storage(torch.QInt8Storage, "1", 4), 0, (2, 2), (2, 1), how)

    scheme = torch.per_channel_affine
    for name, value in [
        ("nothing", tensor()),
        ("axis", tensor(scheme, floats(2), floats(2), 7)),
        ("negative", tensor(scheme, floats(2), floats(2), -1)),
        ("count", tensor(scheme, floats(3), floats(2), 0)),
        ("past", tensor(scheme, floats(2), Rebuilt(*floats(2).arguments[:1], 2, (2,), (1,)), 0)),
        ("no_tensor", tensor(scheme, 0.5, floats(2), 0)),
        ("nested", tensor(scheme, tensor(torch.per_tensor_affine, 0.5, 0), floats(2), 0)),
    ]:
        parts = old_form({"w": value}, ["1", "2"], [np.zeros(4, "i1"), [0, 1, 2]])
        (FOLDER / f"misquantised_{name}.pth").write_bytes(parts)


def refused():
    misquantised()
    system = Calls(os.system, "echo this should never be seen")
    evaluated = Calls(builtins.eval, "1 + 1")
    small = torch.ones(2)
    for suffix, form in [("new", NEW), ("old", OLD)]:
        torch.save({"w": small, "x": system}, FOLDER / f"os_system_{suffix}.pth", **form)
        torch.save({"w": small, "x": evaluated}, FOLDER / f"eval_{suffix}.pth", **form)
        net = Net()
        net.weight = nn.Parameter(torch.ones(2))
        torch.save(net, FOLDER / f"whole_model_{suffix}.pth", **form)
        torch.save(small, FOLDER / f"one_tensor_{suffix}.pth", **form)
        torch.save({"generator": {"w": small}, "epoch": 1}, FOLDER / f"other_key_{suffix}.pth", **form)
    archive("unknown_opcode.pth", b"\x80\x02}q\x00\xff.")
    archive("text_opcode.pth", b"\x80\x02(ios\nsystem\n.")
    archive("extension.pth", b"\x80\x02\x82\x01.")
    archive("stack_global.pth", b"\x80\x04\x8c\x02os\x8c\x06system\x93.")
    archive("nested.pth", b"\x80\x02" + b"]" * 2000 + b"a" * 1999 + b".")
    # Few bytes that claim to be many.
    torch.save({"w": torch.ones(1).expand(2**40)}, FOLDER / "expanded.pth")
    np.savez_compressed(FOLDER / "zeros.npz", a=np.zeros(2**24, "u1"))
    with zipfile.ZipFile(FOLDER / "overlapping.npz", "w") as bomb:
        array = io.BytesIO()
        np.save(array, np.zeros(200))
        bomb.writestr(zipfile.ZipInfo("a.npy"), array.getvalue())
        for name in "bcdefgh":
            bomb.filelist.append(copy.copy(bomb.filelist[0]))
            bomb.filelist[-1].filename = f"{name}.npy"
        bomb._didModify = True
    torch.save({"w": torch.ones(2, dtype=torch.complex64)}, FOLDER / "complex.pth")
    torch.save({"w": torch.ones(2).to(torch.float8_e4m3fnuz)}, FOLDER / "float8_fnuz.pth")
    plain = pickle.dumps({"w": [1.0, 2.0]}, 2)
    (FOLDER / "plain_pickle.pth").write_bytes(plain)
    np.save(FOLDER / "single.npy", np.zeros(2))
    np.savez(FOLDER / "objects.npz", a=np.array([{}, None], dtype=object))
    (FOLDER / "page.pth").write_text("<!DOCTYPE html>\n<html>404: not found</html>\n")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 553433881\n"
    (FOLDER / "pointer.pth").write_text(pointer)


def main():
    FOLDER.mkdir(exist_ok=True)
    for file in FOLDER.iterdir():
        file.unlink()
    pytorch()
    eight_bits()
    fused()
    eighths()
    safetensors()
    shards()
    numpy()
    refused()
    lines = []
    for name, tensors in sorted(EXPECTED.items()):
        inner = ",\n".join(f"  {json.dumps(key)}: {json.dumps(t)}" for key, t in tensors.items())
        lines.append(f" {json.dumps(name)}: {{\n{inner}\n }}")
    (FOLDER / "expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    sizes = {file.name: file.stat().st_size for file in FOLDER.iterdir()}
    print(f"{len(sizes)} files, {sum(sizes.values())} bytes; the largest:")
    print(sorted(sizes.items(), key=lambda item: -item[1])[:5])


if __name__ == "__main__":
    main()
