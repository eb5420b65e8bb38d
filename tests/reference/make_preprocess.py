"""Make tests/reference/preprocess/: what torchvision's usual transforms make of a photo.

    pip install -r tests/reference/requirements.txt
    python tests/reference/make_preprocess.py

<photo>_crop.png   Resize(256), CenterCrop(224) on the Pillow image
<photo>_squash.png Resize((224, 224))
<photo>_cubic.png  Resize(80, BICUBIC), CenterCrop(72)

All resize with antialiasing, the first two bilinearly, in 8 bits, horizontally first. What follows, ToTensor and
Normalize, is arithmetic and not stored: (value / 255 - mean) / std.

Resize(256) gives the short side 256 and the long side int(256 * long / short); CenterCrop begins at
round((side - 224) / 2), where a half goes to the even neighbour: the dog starts at 58 (58.5), the
small photo, 67x50 and scaled up, at 60 (59.5).
"""

from pathlib import Path

from PIL import Image
from torchvision import transforms

HERE = Path(__file__).resolve().parent
PHOTOS = HERE.parent.parent / "assets" / "photos"
FOLDER = HERE / "preprocess"

CROP = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224)])
SQUASH = transforms.Resize((224, 224))
BICUBIC = transforms.InterpolationMode.BICUBIC
CUBIC = transforms.Compose([transforms.Resize(80, BICUBIC), transforms.CenterCrop(72)])
NAMES = {CROP: "crop", SQUASH: "squash", CUBIC: "cubic"}


def main():
    FOLDER.mkdir(exist_ok=True)
    coffee = Image.open(PHOTOS / "coffee.jpg").convert("RGB")
    coffee.resize((67, 50), Image.Resampling.BOX).save(FOLDER / "small.png", optimize=True)

    cat, dog, small = PHOTOS / "cat.png", PHOTOS / "dog.jpg", FOLDER / "small.png"
    jobs = [(cat, CROP), (dog, CROP), (PHOTOS / "cat_and_dog.jpg", CROP), (small, CROP), (dog, SQUASH)]
    jobs += [(dog, CUBIC), (small, CUBIC)]
    for path, transform in jobs:
        target = FOLDER / f"{path.stem}_{NAMES[transform]}.png"
        transform(Image.open(path).convert("RGB")).save(target, optimize=True)
        print(f"{target.name}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
