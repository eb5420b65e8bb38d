"""Make tests/reference/bands/: an array of five bands prepared and explained as torchvision and captum do it,
and TIFF files of seven bands.

    pip install -r tests/reference/requirements.txt
    python tests/reference/make_bands.py

The network is `Five`, with formula.py's weights; tests/bands.rs builds the same. The array is [5, 40, 52], in
units of its own, c, y, x in float64, then float32:

    mean_c + 2 deviation_c sin(0.21 x + 0.13 y + c) cos(0.07 x - 0.17 y)

with the means and deviations of index.json. It becomes an input by Resize(28), antialiased, CenterCrop(24) and
Normalize. Everything runs in double precision and is rounded to float32.

Of more than 200 values, every 7th of the flat tensor, from 0, is kept.

input, input/bicubic                       [5, 24, 24]; the latter by cubic weights
logits                                     [4]
grad_cam/LAYER                             [h, w] of the layer, class 1, before ReLU and scaling
saliency, guided, input_x_gradient         [5, 24, 24], class 1, signed
integrated_gradients, .../dark             the same, 50 steps from the mean and from index.json's `dark` (in the
                                           array's units)
occlusion, .../dark                        [24, 24]; windows of 8, every 5, covered by the mean and by `dark`

The TIFF files have 6 x 5 pixels (width x height). Band c, row y, column x is 30 c + 5 y + x; i16.tif has 100 less.
rgb.tif has the first four bands, of which the file says that three are colours.
"""

import json
from pathlib import Path

import captum.attr as captum
import numpy as np
import tifffile
import torch
from formula import with_formula_weights
from safetensors.torch import save_file
from torch import nn
from torchvision.transforms import v2

FOLDER = Path(__file__).resolve().parent / "bands"
MEAN = [1200.0, 1100.0, 950.0, 2600.0, -14.0]
DEVIATION = [300.0, 350.0, 420.0, 800.0, 4.0]
DARK = [200.0, 150.0, 100.0, 50.0, -25.0]
CLASS = 1


class Five(nn.Module):
    """[N, 5, 24, 24] -> [N, 4]"""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(5, 8, 3, stride=2, padding=1)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(8, 12, 3, padding=1)
        self.relu2 = nn.ReLU()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(12, 4)

    def forward(self, x):
        x = self.relu2(self.conv2(self.relu1(self.conv1(x))))
        return self.fc(self.flatten(self.avgpool(x)))


def array():
    c, y, x = np.meshgrid(np.arange(5), np.arange(40), np.arange(52), indexing="ij")
    wave = np.sin(0.21 * x + 0.13 * y + c) * np.cos(0.07 * x - 0.17 * y)
    spread = 2 * np.array(DEVIATION)[:, None, None]
    return torch.from_numpy((np.array(MEAN)[:, None, None] + spread * wave).astype(np.float32)).double()


def prepared(interpolation):
    steps = [v2.Resize(28, interpolation, antialias=True), v2.CenterCrop(24), v2.Normalize(MEAN, DEVIATION)]
    return v2.Compose(steps)(array())[None]


def tiffs():
    c, y, x = np.meshgrid(np.arange(7), np.arange(5), np.arange(6), indexing="ij")
    planes = 30 * c + 5 * y + x
    pixels = planes.transpose(1, 2, 0)

    def store(name, values, **options):
        options = {"photometric": "minisblack", "planarconfig": "contig", "metadata": None} | options
        tifffile.imwrite(FOLDER / name, values, software=False, **options)

    store("u8.tif", pixels.astype("u1"))
    store("u16.tif", pixels.astype("<u2"), compression="zlib", predictor=2)
    store("i16.tif", (pixels - 100).astype("<i2"), tile=(16, 16), compression="zlib")
    store("f32.tif", planes.astype(">f4"), planarconfig="separate", byteorder=">")
    store("rgb.tif", pixels[..., :4].astype("u1"), photometric="rgb", extrasamples=["unspecified"])


def main():
    net = with_formula_weights(Five()).double().eval()
    photo = prepared(v2.InterpolationMode.BILINEAR)
    found = {"input": photo[0], "input/bicubic": prepared(v2.InterpolationMode.BICUBIC)[0]}
    found["logits"] = net(photo)[0].detach()
    for layer in ["relu1", "relu2"]:
        cam = captum.LayerGradCam(net, getattr(net, layer))
        found[f"grad_cam/{layer}"] = cam.attribute(photo, CLASS)[0, 0].detach()
    found["saliency"] = captum.Saliency(net).attribute(photo, CLASS, abs=False)[0]
    found["guided"] = captum.GuidedBackprop(net).attribute(photo, CLASS)[0]
    found["input_x_gradient"] = captum.InputXGradient(net).attribute(photo, CLASS)[0].detach()
    dark = (torch.tensor(DARK).double() - torch.tensor(MEAN)) / torch.tensor(DEVIATION)
    dark = dark[None, :, None, None]
    path, occlusion = captum.IntegratedGradients(net), captum.Occlusion(net)
    windows = {"sliding_window_shapes": (5, 8, 8), "strides": (5, 5, 5)}
    for key, baseline in [("", torch.zeros_like(photo)), ("/dark", dark.expand_as(photo))]:
        gradients = path.attribute(photo, baseline, CLASS, n_steps=50, method="gausslegendre")
        found[f"integrated_gradients{key}"] = gradients[0].detach()
        lost = occlusion.attribute(photo, target=CLASS, baselines=baseline, **windows)
        found[f"occlusion{key}"] = lost[0, 0].detach()
    FOLDER.mkdir(exist_ok=True)
    tiffs()
    path = FOLDER / "five.safetensors"
    thin = {key: value.flatten()[:: 7 if value.numel() > 200 else 1] for key, value in found.items()}
    save_file({key: value.float().contiguous() for key, value in thin.items()}, path)
    path.chmod(0o644)
    row = {"mean": MEAN, "deviation": DEVIATION, "dark": DARK, "thin": 7}
    (FOLDER / "index.json").write_text(json.dumps({"five": row}) + "\n")
    for key, value in found.items():
        print(f"{key}: {value.min():.3g} .. {value.max():.3g}")
    print(f"{path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
