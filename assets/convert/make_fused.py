"""Make assets/fused/convolution.pt: oneDNN's fused convolutions as libtorch has them.

    pip install -r tests/reference/requirements.txt
    python assets/convert/make_fused.py

libtorch registers convolutions with packed weights, and a rectifier or a sum behind them in the same
pass over memory, as operators of the name space `mkldnn`. They are out of reach of its C functions, and
so of tch, but not of TorchScript: the archive holds one function of two calls, and no weights.
"""

import io
import zipfile
from pathlib import Path
from typing import List, Optional

import torch

FILE = Path(__file__).resolve().parent.parent / "fused" / "convolution.pt"


class Convolution(torch.nn.Module):
    def forward(
        self,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: Optional[torch.Tensor],
        padding: List[int],
        stride: List[int],
        dilation: List[int],
        groups: int,
        after: str,
        other: Optional[torch.Tensor],
    ) -> torch.Tensor:
        """`after` the convolution, and after `other` is added to it: "none" or "relu"."""
        if other is None:
            return torch.ops.mkldnn._convolution_pointwise(
                x, weight, bias, padding, stride, dilation, groups, after, [], ""
            )
        behind: Optional[str] = None if after == "none" else after
        return torch.ops.mkldnn._convolution_pointwise(
            x, other, weight, bias, padding, stride, dilation, groups, "add", 1.0, behind, [], ""
        )


def main():
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(Convolution()), buffer)
    FILE.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(buffer) as full, zipfile.ZipFile(FILE, "w") as bare:
        for entry in full.infolist():
            # Where the source lay on the machine that made it is nobody's business.
            if not entry.filename.endswith(".debug_pkl"):
                bare.writestr(zipfile.ZipInfo(entry.filename), full.read(entry))
    again = torch.jit.load(FILE)
    x, weight = torch.rand(1, 3, 8, 8), torch.rand(4, 3, 3, 3)
    packed = torch._C._nn.mkldnn_reorder_conv2d_weight(weight.to_mkldnn(), [0, 0], [1, 1], [1, 1], 1, [1, 3, 8, 8])
    expected = torch.conv2d(x, weight)
    for other, after in [(None, "none"), (None, "relu"), (-2 * expected, "none"), (-2 * expected, "relu")]:
        found = again(x, packed, None, [0, 0], [1, 1], [1, 1], 1, after, other)
        total = expected if other is None else expected + other
        assert torch.allclose(found, total.relu() if after == "relu" else total, atol=1e-5)
    print(FILE.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
