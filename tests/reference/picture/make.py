"""Make the numbers that tests/picture compares with, and the two assets of src/picture that come
from elsewhere: the colour maps' tables and the embedded font.

    pip install -r tests/reference/requirements.txt matplotlib==3.11.2 fonttools==4.68.0
    python tests/reference/picture/make.py [DejaVuSans.ttf]

colormaps.bin      256 x RGB bytes for each of Colormap's variants, in their order: matplotlib's
                   `cmap(i, bytes=True)`, and OpenCV's own jet, which differs from matplotlib's
                   by up to 33 levels. Goes to src/picture/.
resize.json        torch.nn.functional.interpolate without antialias
overlay.json       pytorch-grad-cam's scale_cam_image and show_cam_on_image, F. S. Zuppichini's blend with
                   OpenCV, on a small photo and map
percentile.json    numpy.percentile
maps.npy           numpy.save of [2, 3, 5] 32-bit floats
gradient.json      pytorch-grad-cam's deprocess_image and scale_cam_image, the formula of PAIR's
                   VisualizeImageGrayscale, and that of a signed map cut at a percentile of its
                   magnitudes

With the path of DejaVu Sans 2.37, also assets/fonts/DejaVuSans-subset.ttf.
"""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import torch
from pytorch_grad_cam.utils.image import deprocess_image, scale_cam_image, show_cam_on_image

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]

COLORMAPS = [
    "Greys",
    "gray",
    "viridis",
    "inferno",
    "magma",
    "plasma",
    "turbo",
    "jet",
    "coolwarm",
    "RdBu",
]

# Latin, Greek, the usual punctuation, arrows, operators and marks.
CHARACTERS = (
    "U+0020-007E,U+00A0-00FF,U+0131,U+0152-0153,U+0160-0161,U+0178,U+017D-017E,U+0391-03A1,"
    "U+03A3-03A9,U+03B1-03C9,U+2010-2015,U+2018-201E,U+2020-2022,U+2026,U+2030,U+2032,U+2033,"
    "U+2039,U+203A,U+2070,U+2074-207E,U+2080-208E,U+20AC,U+2122,U+2190-2195,U+2200,U+2202,U+2206,"
    "U+2207,U+2208,U+220F,U+2211,U+2212,U+2217,U+221A,U+221D,U+221E,U+222B,U+2248,U+2260,U+2264,"
    "U+2265,U+2295,U+2297,U+22C5,U+25A0,U+25A1,U+25B2,U+25B6,U+25BC,U+25C0,U+25CF,U+2605,U+2713,"
    "U+2717,U+FFFD"
)


def write(name, value):
    (HERE / name).write_text(json.dumps(value, separators=(",", ":")) + "\n")


def colormaps():
    levels = np.arange(256)
    tables = [matplotlib.colormaps[name](levels, bytes=True)[:, :3] for name in COLORMAPS]
    opencv = cv2.applyColorMap(levels.astype(np.uint8), cv2.COLORMAP_JET).reshape(256, 3)
    tables.append(opencv[:, ::-1])
    (ROOT / "src/picture/colormaps.bin").write_bytes(np.stack(tables).astype(np.uint8).tobytes())
    # The same through matplotlib's own way from values to colours, for values between the levels.
    values = np.linspace(0, 1, 301).astype(np.float32)
    write(
        "colormaps.json",
        {
            "values": values.tolist(),
            **{
                name: matplotlib.colormaps[name](values, bytes=True)[:, :3].ravel().tolist()
                for name in COLORMAPS
            },
        },
    )


def resizes():
    generator = np.random.default_rng(1)
    cases = []
    for shape, size in [
        ((2, 2), (4, 4)),
        ((7, 5), (13, 17)),
        ((13, 17), (7, 5)),
        ((1, 3), (4, 7)),
        ((6, 6), (1, 1)),
        ((13, 13), (64, 64)),
    ]:
        source = np.arange(4.0).reshape(2, 2) if shape == (2, 2) else generator.normal(size=shape)
        tensor = torch.tensor(source, dtype=torch.float32)
        case = {"shape": shape, "size": size, "source": tensor.flatten().tolist()}
        for name, options in [
            ("half_pixel", {"mode": "bilinear", "align_corners": False}),
            ("align_corners", {"mode": "bilinear", "align_corners": True}),
            ("nearest", {"mode": "nearest"}),
        ]:
            resized = torch.nn.functional.interpolate(tensor[None, None], size=size, **options)
            case[name] = [round(v, 6) for v in resized.flatten().tolist()]
        cases.append(case)
    write("resize.json", cases)


def overlays():
    photo = cv2.imread(str(ROOT / "assets/photos/cat.png"))[60:216:4, 80:236:3, ::-1]
    height, width = photo.shape[:2]
    rows, columns = np.mgrid[0:7, 0:7]
    raw = np.maximum(np.sin(rows * 0.9) * np.cos(columns * 0.7 - 1.0) * 3.0 - 0.4, 0)
    raw = raw.astype(np.float32)
    # What a CAM of one layer goes through in pytorch-grad-cam: scale, resize, scale again.
    mask = scale_cam_image(scale_cam_image(raw[None], (width, height)))[0]
    scaled = photo.astype(np.float32) / 255
    blends = {}
    for weight in [0.5, 0.3]:
        blends[f"grad_cam_{weight}"] = show_cam_on_image(scaled, mask, use_rgb=True, image_weight=weight)
    small = np.uint8(mask * 255)
    small[small <= 100] = 0
    heat = cv2.applyColorMap(small, cv2.COLORMAP_JET)
    blends["threshold_bgr"] = cv2.addWeighted(np.ascontiguousarray(photo), 0.5, heat, 0.3, 0)
    blends["threshold"] = cv2.addWeighted(
        np.ascontiguousarray(photo), 0.5, np.ascontiguousarray(heat[:, :, ::-1]), 0.3, 0
    )
    jet = matplotlib.colormaps["jet"](mask, bytes=True)[:, :, :3]
    blends["alpha"] = np.rint(0.5 * photo + 0.5 * jet).astype(np.uint8)
    blends["multiply"] = np.rint(255 * np.clip(scaled * mask[:, :, None] * 2, 0, 1)).astype(np.uint8)
    write(
        "overlay.json",
        {
            "photo": {"width": width, "height": height, "rgb": photo.ravel().tolist()},
            "map": {"height": 7, "width": 7, "values": raw.ravel().tolist()},
            "mask": [round(float(v), 7) for v in mask.ravel()],
            "blends": {name: blend.ravel().tolist() for name, blend in blends.items()},
        },
    )


def percentiles():
    values = np.random.default_rng(2).normal(size=101).astype(np.float32)
    points = [0, 1, 2.5, 50, 98, 99.9, 100]
    write(
        "percentile.json",
        {
            "values": values.tolist(),
            "points": points,
            "percentiles": [float(np.percentile(values.astype(np.float64), p)) for p in points],
        },
    )


def gradients():
    # Three channels, a long tail on both sides.
    gradient = (np.random.default_rng(3).normal(size=(9, 11, 3)) ** 3).astype(np.float32)
    magnitude = np.abs(gradient).sum(axis=2)
    high, low = np.percentile(magnitude, 99), magnitude.min()
    signed = gradient.sum(axis=2)
    span = np.percentile(np.abs(signed), 99)
    write(
        "gradient.json",
        {
            "height": 9,
            "width": 11,
            "values": gradient.transpose(2, 0, 1).ravel().tolist(),
            "deprocessed": deprocess_image(gradient).ravel().tolist(),
            "magnitude": magnitude.ravel().tolist(),
            "grayscale": np.clip((magnitude - low) / (high - low), 0, 1).ravel().tolist(),
            "signed": signed.ravel().tolist(),
            "diverging": np.clip(signed / span, -1, 1).ravel().tolist(),
            "scaled": scale_cam_image(signed[None])[0].ravel().tolist(),
        },
    )


def arrays():
    values = (np.arange(30, dtype=np.float32) / 7 - 2).reshape(2, 3, 5)
    values[1, 2, 3:] = np.nan, -np.inf
    np.save(HERE / "maps.npy", values)


def font(source):
    subprocess.run(
        [
            sys.executable,
            "-m",
            "fontTools.subset",
            source,
            f"--output-file={ROOT / 'assets/fonts/DejaVuSans-subset.ttf'}",
            f"--unicodes={CHARACTERS}",
            "--notdef-outline",
            "--no-hinting",
            "--layout-features=",
            "--drop-tables+=GSUB,GPOS,GDEF,FFTM",
            "--name-IDs=0,1,2,3,4,5,6,13,14",
        ],
        check=True,
    )


if __name__ == "__main__":
    colormaps()
    resizes()
    overlays()
    percentiles()
    gradients()
    arrays()
    if len(sys.argv) > 1:
        font(sys.argv[1])
