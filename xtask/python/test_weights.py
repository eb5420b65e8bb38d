"""What the conversions of weights.py do to numbers, names and hostile files."""

import array
import collections
import io
import json
import pickle
import struct
import unittest

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


class Kernels(unittest.TestCase):
    def test_kernels_turn_from_tensorflows_order_to_pytorchs(self):
        # Element [y, x, in, out] of [3, 3, 2, 4] is 1000 y + 100 x + 10 in + out.
        keras = array.array("f", [1000 * y + 100 * x + 10 * i + o for y in range(3)
                                  for x in range(3) for i in range(2) for o in range(4)])
        expected = [1000 * y + 100 * x + 10 * i + o for o in range(4) for i in range(2)
                    for y in range(3) for x in range(3)]
        self.assertEqual(list(weights.transpose(keras, 2, 4)), expected)

    def test_the_first_layer_answers_to_rgb_as_it_did_to_bgr(self):
        kernel = array.array("f", [0.01 * ((7 * k) % 27) - 0.1 for k in range(27)])
        bias = array.array("f", [0.5])
        rgb = [[(50 + 13 * c + 9 * p) % 256 for p in range(9)] for c in range(3)]
        bgr = [[rgb[2 - c][p] - weights.HED_MEAN[2 - c] for p in range(9)] for c in range(3)]
        was = bias[0] + sum(kernel[9 * c + p] * bgr[c][p] for c in range(3) for p in range(9))
        kernel, bias = weights.take_rgb(kernel, bias)
        x = [[(v / 255 - weights.MEAN[c]) / weights.STD[c] for v in rgb[c]] for c in range(3)]
        now = bias[0] + sum(kernel[9 * c + p] * x[c][p] for c in range(3) for p in range(9))
        self.assertAlmostEqual(was, now, places=3)


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
