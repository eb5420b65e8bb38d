"""Make tests/reference/perturbation/xplique.safetensors: RISE, Sobol and HSIC indices as xplique computes them.

    pip install xplique==2.0.2 tensorflow==2.20.0
    pip install torch==2.13.0 numpy==2.4.6 ...      # of requirements.txt, what make_methods.py imports
    python tests/reference/make_xplique.py

It needs an environment of its own, Python 3.11, for tensorflow. Networks are PyTorch's, in double precision, which xplique
sees as functions; its own sums are in single precision. Keys are NETWORK/METHOD/TARGET/...; segments are the maps of
make_perturbation.py.

rise/TARGET                 [H, W], xplique's Rise without its EPSILON, less the mean of the scores; 40 masks of 5 x 5 cells
                            by noise.py, as src/attribution/rise.rs draws them, which tensorflow resizes; baseline 0.7.
                            xplique puts masks of another size together where the photo's is no multiple of the cells
sobol/TARGET/grid           [16], SobolAttributionMethod with ScipySobolSequenceRS, JansenEstimator, 8 designs
hsic/TARGET/grid            [16], HsicAttributionMethod with ScipySobolSequence, BinaryEstimator, 60 samples
"""

import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
# tensorflow and triton, which torch for GPUs has, each bring an LLVM that the other's breaks at.
sys.modules["triton"] = None

import numpy as np
import tensorflow as tf
import torch
from make_perturbation import FOLDER, Draws, cases
from safetensors.torch import save_file
from xplique.attributions import HsicAttributionMethod, Rise, SobolAttributionMethod
from xplique.attributions.global_sensitivity_analysis import hsic_estimators, samplers, sobol_estimators
from xplique.attributions.global_sensitivity_analysis.replicated_designs import ScipySobolSequenceRS

MASKS, CELLS, BASELINE = 40, 5, 0.7


def masks(height, width):
    draws, found = Draws(), []
    cell = [-(-size // CELLS) for size in (height, width)]
    for _ in range(MASKS):
        open = np.reshape([draws.share() < 0.5 for _ in range(CELLS**2)], (CELLS, CELLS, 1))
        top, left = (draws.below(size) for size in cell)
        large = tf.image.resize(open.astype(np.float32), [(CELLS + 1) * size for size in cell])
        found.append(large[top : top + height, left : left + width])
    return tf.stack(found)


def rise(operator, image, height, width):
    seen = []

    def noted(net, images, targets):
        seen.append(operator(net, images, targets))
        return seen[-1]

    method = Rise(None, batch_size=16, operator=noted, nb_samples=MASKS)
    Rise.EPSILON = 0.0
    Rise._get_masks = staticmethod(lambda *_: masks(height, width))
    Rise._apply_masks = staticmethod(lambda x, m, _: (m * x[None] + (1 - m) * BASELINE, m))
    (found,) = method.explain(image[None], np.zeros((1, 1), np.float32))
    return found[..., 0] - tf.reduce_mean(tf.concat(seen, 0))


def indices(method, image):
    """What the estimator says of each segment, before it becomes a picture."""
    found = []
    estimator = method.estimator
    method.estimator = lambda *args: found.append(estimator(*args)) or found[-1]
    method.explain(image[None], np.zeros((1, 1), np.float32))
    return tf.reshape(found[0], [-1])


def operator_of(scored):
    def operator(_, images, __):
        images = torch.from_numpy(images.numpy()).double().permute(0, 3, 1, 2)
        with torch.no_grad():
            return tf.constant(scored(images).float().numpy())

    return operator


def main():
    found = {}
    for name, case, photo, targets in cases():
        image = photo[0].permute(1, 2, 0).numpy().astype(np.float32)
        for target, scored in targets.items():
            operator = operator_of(scored)
            sobol = SobolAttributionMethod(
                None,
                grid_size=4,
                nb_design=8,
                sampler=ScipySobolSequenceRS(),
                estimator=sobol_estimators.JansenEstimator(),
                operator=operator,
            )
            hsic = HsicAttributionMethod(
                None,
                grid_size=4,
                nb_design=60,
                sampler=samplers.ScipySobolSequence(binary=True),
                estimator=hsic_estimators.BinaryEstimator(output_kernel="rbf"),
                operator=operator,
            )
            found[f"{name}/rise/{target}"] = rise(operator, image, *case.size)
            found[f"{name}/sobol/{target}/grid"] = indices(sobol, image)
            found[f"{name}/hsic/{target}/grid"] = indices(hsic, image)
    found = {key: torch.from_numpy(np.array(value, np.float32)) for key, value in found.items()}
    for key, value in found.items():
        assert value.isfinite().all() and value.abs().max() > 0, key
        print(key, list(value.shape), value.min().item(), value.max().item())
    path = FOLDER / "xplique.safetensors"
    save_file(found, path)
    path.chmod(0o644)
    print(f"{path.name}: {len(found)} tensors, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
