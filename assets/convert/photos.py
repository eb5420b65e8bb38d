"""Make assets/photos/ from their sources (assets/CREDITS.md).

    pip install -r tests/reference/requirements.txt
    python assets/convert/photos.py darknet/data/dog.jpg

The argument is the dog of the darknet project, as its repository and its Debian package have it;
the other photos come with scikit-image. Colour is stored at full resolution (4:4:4), so that JPEG
decoders differ by rounding only. Nothing in the build runs this.
"""

import sys
from pathlib import Path

import skimage
from PIL import Image

PHOTOS = Path(__file__).resolve().parent.parent / "photos"
SKIMAGE = Path(skimage.__file__).parent / "data"


def save(image, name):
    path = PHOTOS / name
    image.save(path, quality=90, subsampling=0, optimize=True)
    print(f"{name}: {image.width}x{image.height}, {path.stat().st_size:,} bytes")


def part(image, left, top, width, height, size):
    return image.resize(size, Image.Resampling.LANCZOS, box=(left, top, left + width, top + height))


def cat_above_dog(cat, dog):
    """Two panels of 448x224: the cat's whole face, and the dog's head at about its scale."""
    picture = Image.new("RGB", (448, 448))
    picture.paste(part(cat, 0, 45, 451, 225.5, (448, 224)), (0, 0))
    zoom = 1.9
    width, height = 448 / zoom, 224 / zoom
    picture.paste(part(dog, 280 - width / 2, 206, width, height, (448, 224)), (0, 224))
    return picture


def main():
    PHOTOS.mkdir(exist_ok=True)
    dog = Image.open(sys.argv[1]).convert("RGB")
    cat = Image.open(SKIMAGE / "chelsea.png").convert("RGB")

    (PHOTOS / "cat.png").write_bytes((SKIMAGE / "chelsea.png").read_bytes())
    for source, name in [("coffee.png", "coffee.jpg"), ("astronaut.png", "astronaut.jpg")]:
        save(Image.open(SKIMAGE / source).convert("RGB"), name)
    save(dog.crop((60, 150, 360, 550)), "dog.jpg")
    save(cat_above_dog(cat, dog), "cat_and_dog.jpg")


if __name__ == "__main__":
    main()
