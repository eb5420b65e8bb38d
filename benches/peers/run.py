"""The peers' side of the benches: the same work in Python, one JSON object a line.

    pip install -r benches/peers/requirements.txt
    python benches/peers/run.py [--bench speed|networks|explanations|feature_vis|dataset] [part of a name ...]
    python benches/peers/run.py --export

The benches are those of benches/*.rs; without a choice, all of them run.

Each line has "name", "seconds" (median), "runs", "detail", and for pictures "bytes": those of the
PNG files, before base64. pairs.json says which peers stand beside which criterion bench.

The maps are 64 of 224x224, float32: the output of SqueezeNet's features.0 (64x111x111, before the
ReLU) for the cat, preprocessed as usual (Resize(256), CenterCrop(224), normalised), resized
bilinearly with half-pixel centres. If CONVLENS_BENCH_MAPS names a file of 64*224*224 little-endian
float32 values, those are used. Networks get the same preprocessed cat, and the number of threads is
PyTorch's default.

--export writes the networks that "networks" measures, with random weights, to target/bench-networks, as .pt2
and as ONNX, 2.6 GB in all, those that are not there.
"""

import argparse
import base64
import io
import json
import os
import statistics
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

import matplotlib
import numpy as np
import onnxruntime
import torch
from PIL import Image
from safetensors.torch import load_file
from torchvision import models, transforms, utils

matplotlib.use("agg")
warnings.filterwarnings("ignore")

from matplotlib import pyplot as plt  # noqa: E402
from captum.attr import DeepLift, GuidedBackprop, KernelShap, Lime, Occlusion, Saliency  # noqa: E402
from pytorch_grad_cam import AblationCAM, FullGrad, GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, ScoreCAM  # noqa: E402
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget  # noqa: E402
from skimage.segmentation import slic  # noqa: E402
from torchcam import methods as torchcam_methods  # noqa: E402
from zennit.attribution import Gradient  # noqa: E402
from zennit.composites import EpsilonPlusFlat  # noqa: E402
from zennit.torchvision import ResNetCanonizer, VGGCanonizer  # noqa: E402

ASSETS = Path(__file__).resolve().parent.parent.parent / "assets"
NETWORKS = ["alexnet", "vgg16", "resnet34", "resnet50"]
FILES = ASSETS.parent / "target" / "bench-networks"
EXPORTED = [
    "vgg16",
    "resnet34",
    "resnet50",
    "efficientnet_b0",
    "squeezenet1_1",
    "mobilenet_v2",
    "convnext_tiny",
    "vit_b_16",
]
LAYERS = {"last_conv": "classifier.1", "features_12": "features.12"}


def squeezenet():
    net = models.squeezenet1_1(weights=None)
    state = load_file(ASSETS / "weights" / "squeezenet1_1.safetensors")
    net.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    return net.eval()


def photo():
    steps = [
        transforms.Resize(256),
        transforms.CenterCrop(224),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
    return transforms.Compose(steps)(Image.open(ASSETS / "photos" / "cat.png").convert("RGB"))[None]


def feature_maps(net, image):
    path = os.environ.get("CONVLENS_BENCH_MAPS")
    if path:
        return torch.from_numpy(np.fromfile(path, "<f4").reshape(64, 224, 224))
    with torch.no_grad():
        maps = net.features[0](image)
        return torch.nn.functional.interpolate(maps, size=(224, 224), mode="bilinear", align_corners=False)[0]


def inline_png(figure):
    """A figure as the notebook's inline backend sends it."""
    buffer = io.BytesIO()
    figure.canvas.print_figure(buffer, format="png", dpi=figure.dpi, bbox_inches="tight")
    return sent(buffer)


def sent(buffer):
    png = buffer.getvalue()
    base64.b64encode(png).decode()
    return len(png)


def figures(maps):
    """16 figures of four maps, each map scaled on its own."""
    index = 0
    for _ in range(16):
        _, axes = plt.subplots(1, 4, figsize=(12, 6))
        for axis in axes:
            axis.imshow(maps[index].detach().cpu().numpy(), cmap="Greys")
            index += 1
    size = sum(inline_png(plt.figure(number)) for number in plt.get_fignums())
    plt.close("all")
    return size


def one_figure(maps):
    """One figure of 8x8 maps."""
    figure = plt.figure(figsize=(30, 30))
    for index in range(64):
        axis = plt.subplot(8, 8, index + 1)
        axis.set_xticks([])
        axis.set_yticks([])
        plt.imshow(maps[index], cmap="viridis")
    size = inline_png(figure)
    plt.close("all")
    return size


def make_grid(maps):
    grid = utils.make_grid(maps[:, None], nrow=8, normalize=True, scale_each=True)
    pixels = grid.mul(255).add_(0.5).clamp_(0, 255).permute(1, 2, 0).to(torch.uint8).numpy()
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return sent(buffer)


def forward(net, image):
    with torch.no_grad():
        net(image)


def torchcam(net, image, layer, target, method=torchcam_methods.GradCAM):
    with method(net, layer) as cam:
        cam(target, net(image))


def torchcam_score(net, image, layer, target, batch):
    with torchcam_methods.ScoreCAM(net, layer, batch_size=batch) as cam, torch.no_grad():
        cam(target, net(image))


def pytorch_grad_cam_score(net, image, layer, target, batch):
    with ScoreCAM(net, [net.get_submodule(layer)]) as cam:
        cam.batch_size = batch
        cam(image, [ClassifierOutputTarget(target)])


def pytorch_grad_cam(net, image, layer, target, method=GradCAM):
    with method(net, [net.get_submodule(layer)]) as cam:
        cam(image, [ClassifierOutputTarget(target)])


def captum(net, image, target, method, **options):
    method(net).attribute(image, target=target, **options)


def occlusion(net, image, target, batch):
    windows = {"sliding_window_shapes": (3, 32, 32), "strides": (3, 16, 16)}
    with torch.no_grad():
        captum(net, image, target, Occlusion, **windows, perturbations_per_eval=batch)


def by_grid(net, image, target, method, batch):
    rows = torch.arange(224) // 32
    mask = (7 * rows[:, None] + rows[None])[None, None]
    with torch.no_grad():
        captum(net, image, target, method, feature_mask=mask, n_samples=500, perturbations_per_eval=batch)


def without_in_place(net):
    """Guided backpropagation by captum is wrong with in-place rectifiers; its authors ask for this."""
    for module in net.modules():
        if isinstance(module, torch.nn.ReLU):
            module.inplace = False
    return net


def used_once(net):
    """captum's DeepLift takes no module that is used twice, as the rectifier of torchvision's blocks is."""

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu2(y + (x if self.downsample is None else self.downsample(x)))

    for module in net.modules():
        if isinstance(module, models.resnet.BasicBlock):
            module.relu2 = torch.nn.ReLU()
            module.forward = forward.__get__(module)
    return net


def lrp(attributor, image, target):
    attributor(image, torch.eye(1000)[[target]])


def explanations(torch_is):
    """Networks that were never trained, a random photo, class 281, as benches/explanations.rs."""
    image = torch.rand(1, 3, 224, 224)
    for name, layer in [("resnet34", "layer4"), ("vgg16", "features.28")]:
        net = getattr(models, name)(weights=None).eval()
        detail = f"{name}, {layer}, {torch_is}"
        for short, method in [
            ("gradcam", torchcam_methods.GradCAM),
            ("gradcam_plus_plus", torchcam_methods.GradCAMpp),
            ("layercam", torchcam_methods.LayerCAM),
        ]:
            measure(f"torchcam/{short}_{name}", detail, torchcam, net, image, layer, 281, method)
        for short, method in [
            ("gradcam", GradCAM),
            ("gradcam_plus_plus", GradCAMPlusPlus),
            ("layercam", LayerCAM),
            ("hirescam", HiResCAM),
            ("full_grad", FullGrad),
        ]:
            measure(f"pytorch_grad_cam/{short}_{name}", detail, pytorch_grad_cam, net, image, layer, 281, method)
        measure(f"captum/saliency_{name}", detail, captum, net, image, 281, Saliency)
        without_in_place(net)
        measure(f"captum/guided_backprop_{name}", detail, captum, net, image, 281, GuidedBackprop)
        canonizer = ResNetCanonizer if name.startswith("resnet") else VGGCanonizer
        # Registered before, as for many photos.
        with Gradient(model=net, composite=EpsilonPlusFlat(canonizers=[canonizer()])) as attributor:
            measure(f"zennit/lrp_{name}", detail, lrp, attributor, image, 281)
        measure(f"captum/deep_lift_{name}", detail, captum, used_once(net), image, 281, DeepLift)
    net = models.resnet34(weights=None).eval()
    detail = f"resnet34, {torch_is}"
    for batch in [6, 16]:
        at_once = f"{detail}, {batch} at once"
        measure(f"captum/occlusion_{batch}", at_once, occlusion, net, image, 281, batch)
        for peer, score in [("torchcam", torchcam_score), ("pytorch_grad_cam", pytorch_grad_cam_score)]:
            measure(f"{peer}/score_cam_{batch}", at_once, score, net, image, "layer4", 281, batch)
    net = models.resnet18(weights=None).eval()
    for batch in [6, 16]:
        for short, method in [("kernel_shap", KernelShap), ("lime", Lime)]:
            detail = f"resnet18, 500 samples, 49 segments, {torch_is}, {batch} at once"
            measure(f"captum/{short}_{batch}", detail, by_grid, net, image, 281, method, batch)
    cat = np.array(Image.open(ASSETS / "photos" / "cat.png").convert("RGB"))
    superpixels = lambda: slic(cat, n_segments=50) is None or None  # noqa: E731
    measure("scikit_image/slic_cat", "451x300, 50 superpixels", superpixels)
    net, detail = models.resnet34(weights=None).eval(), f"resnet34, {torch_is}"
    for layer in ["layer4", "layer3"]:
        measure(f"pytorch_grad_cam/ablation_cam_{layer}", detail, pytorch_grad_cam, net, image, layer, 281, AblationCAM)


def plain_ascent(net, seen, name, first, resolution, dist, steps):
    """The cell of *Visualizing Convolutional Layers in a Trained VGG Network* for ten channels, without its figure: the whole network, one after the other."""
    random = np.random.RandomState(100)
    for channel in range(first, first + 10):
        noise = torch.from_numpy(random.uniform(*dist, size=(3, resolution, resolution))).unsqueeze(0)
        target = noise.type(torch.FloatTensor).requires_grad_(True)
        optimizer = torch.optim.Adam([target], lr=0.01)
        for _ in range(steps):
            net.forward(target)
            output = seen[name][channel]
            out = output.detach()
            expected = np.full(tuple(out.size()), float(torch.max(out))) ** 2
            loss = torch.mean((output - torch.from_numpy(expected)) ** 2)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()


def activation_maximisation(torch_is):
    """A VGG-16 that was never trained and 20 of the article's 200 steps, as benches/feature_vis.rs."""
    net, seen = models.vgg16(weights=None).eval(), {}
    for parameter in net.parameters():
        parameter.requires_grad = False
    for name, layer in [("conv1_1", 0), ("conv2_1", 5), ("conv3_1", 10), ("conv4_1", 17), ("conv5_1", 24)]:
        hook = lambda module, inputs, output, name=name: seen.__setitem__(name, output.squeeze())
        net.features[layer].register_forward_hook(hook)
    for name, first, resolution, dist in [
        ("conv1_1", 20, 100, (0.0, 2.0)),
        ("conv3_1", 20, 120, (-0.1, 0.2)),
        ("conv5_1", 25, 160, (-0.25, 0.25)),
    ]:
        detail = f"vgg16 {name}, ten channels, {resolution} pixels, 20 steps, {torch_is}"
        measure(f"plain_ascent/{name}", detail, plain_ascent, net, seen, name, first, resolution, dist, 20)


def photos_in(folder):
    """The photos of benches/dataset.rs: 64 rectangles of those in assets/, 500 x 375, as JPEG."""
    names = ["cat.png", "dog.jpg", "cat_and_dog.jpg", "astronaut.jpg"]
    photos = [Image.open(ASSETS / "photos" / name).convert("RGB") for name in names]
    for label in range(2):
        (folder / f"class{label}").mkdir()
        for i in range(32):
            photo = photos[(2 * i + label) % len(photos)]
            w, h = photo.size
            cut_w, cut_h = w - w * (i % 8) // 32, h - h * (i % 8) // 32
            left, top = (w - cut_w) * (i // 8) // 4, (h - cut_h) * (i // 8) // 4
            cut = photo.crop((left, top, left + cut_w, top + cut_h)).resize((500, 375))
            cut.save(folder / f"class{label}" / f"{i:02}.jpg", quality=90)


def top_maps(net, module, folder, per_photo=25, per_class=25):
    """find_unique_filters: photo by photo, a hook at the layer, the whole network."""
    steps = transforms.Compose([transforms.Resize((224, 224)), transforms.ToTensor()])
    kept = {}
    hook = module.register_forward_hook(lambda _, __, output: kept.update(output=output))
    lists = {}
    with torch.no_grad():
        for label in sorted(os.listdir(folder)):
            counter, count = Counter(), 0
            for name in sorted(os.listdir(folder / label)):
                image = steps(Image.open(folder / label / name).convert("RGB"))[None]
                net(image)
                means = kept["output"][0].mean((1, 2)).numpy()
                counter.update(means.argsort()[::-1][:per_photo].tolist())
                count += 1
            lists[label] = {channel: times / count for channel, times in counter.most_common(per_class)}
    hook.remove()
    return {
        label: [c for c in maps if not any(c in other for key, other in lists.items() if key != label)]
        for label, maps in lists.items()
    }


def datasets(torch_is):
    with tempfile.TemporaryDirectory() as folder:
        photos_in(Path(folder))
        for name in ["resnet50", "vgg16"]:
            net = getattr(models, name)(weights=None).eval()
            module = net.layer4 if name == "resnet50" else net.features[28]
            detail = f"{name}, 64 JPEG photos of 500x375, {torch_is}"
            work = lambda: top_maps(net, module, Path(folder)) and None  # noqa: E731
            measure(f"feature_map_visualizer/top_maps_{name}", detail, work)


def measure(name, detail, work, *arguments):
    """Warm up once, then run for about three seconds, three times at least. What takes longer than
    five seconds needs no warming up, and runs twice."""
    if CHOSEN.names and not any(part in name for part in CHOSEN.names):
        return
    start = time.perf_counter()
    result = work(*arguments)
    first = time.perf_counter() - start
    times = [first] if first > 5 else []
    least = 2 if times else 3
    while len(times) < least or (sum(times) < 3 and len(times) < 200):
        start = time.perf_counter()
        work(*arguments)
        times.append(time.perf_counter() - start)
    line = {"name": name, "seconds": round(statistics.median(times), 6), "runs": len(times), "detail": detail}
    if result is not None:
        line["bytes"] = result
    print(json.dumps(line), flush=True)


def speed(torch_is):
    net, image = squeezenet(), photo()
    maps = feature_maps(net, image)
    grids = f"64 maps of 224x224, matplotlib {matplotlib.__version__}"
    measure("matplotlib/figures", f"{grids}: 16 figures of 12x6 inches, Greys", figures, maps)
    measure("matplotlib/one_figure", f"{grids}: a figure of 30x30 inches, viridis", one_figure, maps)
    measure("torchvision/make_grid", "64 maps of 224x224, make_grid and Pillow", make_grid, maps)

    with torch.no_grad():
        target = int(net(image).argmax())
    measure("torch/forward", f"SqueezeNet 1.1, 1x3x224x224, {torch_is}", forward, net, image)
    for name in NETWORKS:
        other = getattr(models, name)(weights=None).eval()
        measure(f"torch/forward_{name}", f"{name}, 1x3x224x224, {torch_is}", forward, other, image)
    for short, layer in LAYERS.items():
        detail = f"forward and Grad-CAM at {layer}, {torch_is}"
        measure(f"torchcam/gradcam_{short}", detail, torchcam, net, image, layer, target)
        measure(f"pytorch_grad_cam/gradcam_{short}", detail, pytorch_grad_cam, net, image, layer, target)


def export():
    FILES.mkdir(parents=True, exist_ok=True)
    for name in EXPORTED:
        pt2, onnx = [FILES / f"{name}.{kind}" for kind in ("pt2", "onnx")]
        torch.manual_seed(0)
        net, image = getattr(models, name)(weights=None).eval(), torch.zeros(1, 3, 224, 224)
        if not pt2.exists():
            torch.export.save(torch.export.export(net, (image,)), pt2)
        if not onnx.exists():
            torch.onnx.export(net, (image,), onnx, opset_version=17, dynamo=False)


def networks(torch_is):
    image = np.random.default_rng(0).random((1, 3, 224, 224), dtype=np.float32)
    for name in EXPORTED:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(FILES / f"{name}.onnx", options, providers=["CPUExecutionProvider"])
        feed = {session.get_inputs()[0].name: image}
        ort_is = f"onnxruntime {onnxruntime.__version__}, {torch.get_num_threads()} threads"
        work = lambda: session.run(None, feed) and None  # noqa: E731
        measure(f"onnxruntime/{name}", f"{name}, 1x3x224x224, {ort_is}", work)
        net = getattr(models, name)(weights=None).eval()
        detail = f"{name}, 1x3x224x224, {torch_is}"
        measure(f"torch/{name}", detail, forward, net, torch.from_numpy(image))


BENCHES = {
    "speed": speed,
    "networks": networks,
    "explanations": explanations,
    "feature_vis": activation_maximisation,
    "dataset": datasets,
}
parser = argparse.ArgumentParser(description="The peers' side of the benches.")
parser.add_argument("--bench", choices=BENCHES)
parser.add_argument("--export", action="store_true")
parser.add_argument("names", nargs="*", metavar="part of a name")
CHOSEN = parser.parse_args()
if CHOSEN.export:
    export()
    raise SystemExit
for bench, run in BENCHES.items():
    if CHOSEN.bench in (None, bench):
        run(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
