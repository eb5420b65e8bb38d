"""Make tests/reference/photos/: one tiny picture in every format and pixel kind that Photo opens.

    pip install -r tests/reference/requirements.txt
    python tests/reference/make_photos.py

The picture is 12x8 and has no symmetry: four blocks of 6x4, red and green above, blue and a ramp of
24 greys below. Lossy formats hold it enlarged four times.

What a reader must get is 8-bit RGB, stored in expected/; expected.json says which file belongs to
which photo and the largest difference allowed. The script ends by reading all of them with Pillow.

- Alpha is composited over white in 8 bits: round((a * c + (255 - a) * 255) / 255).
- 16-bit samples become 8-bit ones by rounding to the nearest: (v * 255 + 32767) / 65535.
- Grey is repeated into three channels.
- An animated GIF is its first frame, and a TIFF its first picture.
- Floats of a TIFF are scaled from 0..1; where they are not all in that range, from the least to the
  greatest.
- EXIF orientation is applied, so all eight orientations are the same upright picture.
- The kind is decided by the file's content, never by its name.
"""

import io
import json
from pathlib import Path

import cv2
import numpy as np
import tifffile
from PIL import Image, ImageOps

FOLDER = Path(__file__).resolve().parent / "photos"
EXPECTED = {}
PIXELS = {}

ORIENTATION = 0x0112
# What a camera stored, for each orientation tag: the upright picture, turned back.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def picture():
    rgb = np.zeros((8, 12, 3), np.uint8)
    rgb[:4, :6] = [220, 30, 40]
    rgb[:4, 6:] = [30, 180, 60]
    rgb[4:, :6] = [40, 60, 210]
    rgb[4:, 6:] = np.arange(24, dtype=np.uint8).reshape(4, 6, 1) * 10 + 8
    return rgb


def over_white(colour, alpha):
    colour, alpha = colour.astype(np.uint32), alpha.astype(np.uint32)[..., None]
    return ((alpha * colour + (255 - alpha) * 255 + 127) // 255).astype(np.uint8)


def store(name, expected, tolerance, image, **options):
    """Write a photo and what a reader must get of it; `image` may be the file's bytes."""
    path = FOLDER / name
    if isinstance(image, bytes):
        path.write_bytes(image)
    else:
        image.save(path, **options)
    assert path.stat().st_size < 3000, name

    expected = np.ascontiguousarray(expected)
    pixels = next((file for file, known in PIXELS.items() if np.array_equal(known, expected)), None)
    if pixels is None:
        pixels = f"expected/{name.replace('.', '_')}.png"
        PIXELS[pixels] = expected
        Image.fromarray(expected).save(FOLDER / pixels, optimize=True)
    EXPECTED[name] = {"pixels": pixels, "tolerance": tolerance}

    difference = np.abs(read(path).astype(int) - expected).max()
    assert difference <= tolerance, f"{name}: Pillow differs by {difference}"


def read(path):
    """The rules above, with Pillow."""
    if path.suffix == ".tif":
        return read_tiff(path)
    image = ImageOps.exif_transpose(Image.open(path))
    if image.mode == "I;16":
        return grey3(to_8_bits(np.array(image)))
    if image.has_transparency_data:
        rgba = np.array(image.convert("RGBA"))
        return over_white(rgba[..., :3], rgba[..., 3])
    return np.array(image.convert("RGB"))


def read_tiff(path):
    """The same, with tifffile, which reads floats and 16-bit colours too; Pillow reads the rest."""
    array = tifffile.imread(path, key=0)
    if array.dtype == np.uint16:
        array = to_8_bits(array)
    elif array.dtype.kind == "f":
        low, high = (0, 1) if array.min() >= 0 and array.max() <= 1 else (array.min(), array.max())
        array = ((array.astype(float) - low) / (high - low) * 255).round().astype(np.uint8)
    else:
        image = ImageOps.exif_transpose(Image.open(path))
        if image.mode == "RGBA":
            rgba = np.array(image)
            return over_white(rgba[..., :3], rgba[..., 3])
        return np.array(image.convert("RGB"))
    if array.ndim == 3 and array.shape[0] == 3:
        array = np.moveaxis(array, 0, -1)
    return array if array.ndim == 3 else grey3(array)


def tiff(array, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, metadata=None, software=False, datetime=False, **options)
    return buffer.getvalue()


def to_8_bits(array):
    return ((array.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)


def grey3(array):
    return array[..., None].repeat(3, 2)


def decoded(image, kind, **options):
    """The pixels that Pillow reads back after lossy compression."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return np.array(Image.open(buffer).convert("RGB"))


def png16(samples):
    """Pillow writes no 16-bit colour, OpenCV does (in BGR order)."""
    done, data = cv2.imencode(".png", samples[..., ::-1])
    assert done
    return data.tobytes()


def main():
    (FOLDER / "expected").mkdir(parents=True, exist_ok=True)
    rgb = picture()
    upright = Image.fromarray(rgb)
    for name, options in [("rgb.png", {}), ("rgb.bmp", {}), ("lossless.webp", {"lossless": True})]:
        store(name, rgb, 0, upright, **options)

    grey = rgb[..., 1]
    alpha = np.tile(np.array([255, 128, 0, 64, 200, 255], np.uint8), (8, 2))
    rgba = Image.fromarray(np.dstack([rgb, alpha]))
    store("grey.png", grey3(grey), 0, Image.fromarray(grey))
    store("grey_alpha.png", over_white(grey3(grey), alpha), 1, Image.fromarray(np.dstack([grey, alpha])))
    store("rgba.png", over_white(rgb, alpha), 1, rgba)
    store("rgba.webp", over_white(rgb, alpha), 1, rgba, lossless=True, exact=True)

    deep = np.linspace(0, 65535, 96).round().astype(np.uint16).reshape(8, 12)
    store("grey16.png", grey3(to_8_bits(deep)), 1, Image.fromarray(deep))
    store("rgb16.png", rgb, 0, png16(rgb.astype(np.uint16) * 257))

    palette = upright.quantize(32)
    red = int(np.array(palette)[0, 0])
    clear = (np.array(palette) != red) * np.uint8(255)
    store("palette_alpha.png", over_white(rgb, clear), 0, palette, transparency=red)
    second = Image.fromarray(255 - rgb).quantize(32)
    store("animated.gif", rgb, 0, palette, save_all=True, append_images=[second], duration=100)

    large = upright.resize((48, 32), Image.Resampling.NEAREST)
    jpeg = {"quality": 92, "subsampling": 0}
    lossy = [
        ("rgb.jpg", large, "JPEG", 2, jpeg),
        ("jpeg_named.png", large, "JPEG", 2, jpeg),
        ("progressive.jpg", large, "JPEG", 2, {**jpeg, "progressive": True}),
        ("grey.jpg", large.getchannel("G"), "JPEG", 2, {"quality": 92}),
        ("lossy.webp", large, "WEBP", 6, {"quality": 90}),
    ]
    for name, image, kind, tolerance, options in lossy:
        store(name, decoded(image, kind, **options), tolerance, image, format=kind, **options)

    for tag, turn in STORED.items():
        exif = Image.Exif()
        exif[ORIENTATION] = tag
        turned = large if turn is None else large.transpose(turn)
        store(f"orientation_{tag}.jpg", np.array(large), 8, turned, exif=exif, **jpeg)
    store("cmyk.jpg", np.array(large), 8, large.convert("CMYK"), **jpeg)

    for name, options in [("rgb.ppm", {}), ("rgb.tif", {"compression": "tiff_lzw"})]:
        store(name, rgb, 0, upright, **options)
    store("grey.pgm", grey3(grey), 0, Image.fromarray(grey))
    store("bits.tif", grey3((grey > 99) * np.uint8(255)), 0, Image.fromarray(grey > 99), compression="raw")
    store("bits.pbm", grey3((grey > 99) * np.uint8(255)), 0, Image.fromarray(grey > 99))
    store("rgba.tif", over_white(rgb, alpha), 1, rgba, compression="tiff_adobe_deflate")
    store("packed.tif", rgb, 0, upright, compression="packbits")
    store("jpeg.tif", np.array(large), 8, large, compression="jpeg", quality=92)
    for tag in (6, 8):
        exif = Image.Exif()
        exif[ORIENTATION] = tag
        turned = large.transpose(STORED[tag])
        store(f"orientation_{tag}.tif", np.array(large), 0, turned, exif=exif, compression="tiff_lzw")
    colour = {"photometric": "rgb"}
    store("grey16.tif", grey3(to_8_bits(deep)), 1, tiff(deep, photometric="minisblack"))
    store("rgb16_big.tif", rgb, 0, tiff(rgb.astype(np.uint16) * 257, byteorder=">", predictor=True,
                                        compression="lzw", **colour))
    store("planes.tif", rgb, 0, tiff(np.moveaxis(rgb, -1, 0), planarconfig="separate", **colour))
    store("tiles.tif", rgb, 0, tiff(rgb, tile=(16, 16), compression="deflate", **colour))
    unit = rgb.astype(np.float32) / 255
    store("unit_float.tif", rgb, 0, tiff(unit, **colour))
    wave = (np.arange(96, dtype=np.float32).reshape(8, 12) - 50) * 37
    scaled = ((wave.astype(float) - wave.min()) / (wave.max() - wave.min()) * 255).round()
    store("float.tif", grey3(scaled.astype(np.uint8)), 0, tiff(wave, photometric="minisblack"))
    store("float_packed.tif", grey3(scaled.astype(np.uint8)), 0,
          tiff(wave, photometric="minisblack", compression="deflate", predictor=True))
    for name, order in [("big.tif", "<"), ("big_swapped.tif", ">")]:
        store(name, grey3(scaled.astype(np.uint8)), 0,
              tiff(wave, photometric="minisblack", bigtiff=True, byteorder=order))
    store("half_float.tif", rgb, 1, tiff(unit.astype(np.float16), **colour))
    store("two_pages.tif", rgb, 0, tiff(np.stack([rgb, 255 - rgb]), **colour))

    (FOLDER / "expected.json").write_text(json.dumps(EXPECTED, indent=1) + "\n")
    total = sum(path.stat().st_size for path in FOLDER.rglob("*.*"))
    print(f"{len(EXPECTED)} photos, {total:,} bytes with what is expected")


if __name__ == "__main__":
    main()
