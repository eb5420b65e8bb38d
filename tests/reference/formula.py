"""Weights and photos by formula, for make_attribution.py and make_methods.py.

They need no file and no floating point that could differ. Value i (flat, row-major) of parameter p
(its place among the floating-point entries of the state dict, from 0), in 32-bit unsigned
arithmetic that wraps:

    h = 2654435761 * i + 40503 * p;  h ^= h >> 16;  h *= 0x45d9f3b;  h ^= h >> 16
    u = h / 2^31 - 1                                   in [-1, 1), exact in float64

    weight with two dimensions or more    u * sqrt(6 / fan_in)    fan_in: values behind one output
    running_var                           1 + 0.5 u
    weight with one (batch norm)          1 + 0.1 u
    bias, running_mean                    0.1 u

then rounded to float32. The first values u of parameters 0 and 1:

    -1.000000000 -0.223725469 -0.691465768 0.009956472
    0.440525985 0.790499672 -0.334756305 0.180908646

Photo n of height x width, between low and high (0 and 1), c, y, x in float64, then float32:

    low + (high - low) * (0.5 + 0.5 * sin(0.21 x + 0.13 y + c + 2 n) * cos(0.07 x - 0.17 y + n))
"""

import math

import numpy as np
import torch


def formula_values(count, parameter):
    h = np.arange(count, dtype=np.uint32) * np.uint32(2654435761) + np.uint32(40503 * parameter)
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x45D9F3B)
    h ^= h >> np.uint32(16)
    return h / 2.0**31 - 1


def with_formula_weights(net):
    state = net.state_dict()
    floating = [name for name, tensor in state.items() if tensor.is_floating_point()]
    for parameter, name in enumerate(floating):
        shape = state[name].shape
        u = formula_values(shape.numel(), parameter)
        if len(shape) > 1:
            u = u * math.sqrt(6 / shape[1:].numel())
        elif name.endswith("running_var"):
            u = 1 + 0.5 * u
        elif name.endswith("weight"):
            u = 1 + 0.1 * u
        else:
            u = 0.1 * u
        state[name] = torch.from_numpy(u.reshape(shape).astype(np.float32))
    net.load_state_dict(state)
    return net


def formula_photo(height, width, n=0, low=0, high=1):
    """[1, 3, height, width]"""
    c, y, x = np.meshgrid(np.arange(3), np.arange(height), np.arange(width), indexing="ij")
    wave = np.sin(0.21 * x + 0.13 * y + c + 2 * n) * np.cos(0.07 * x - 0.17 * y + n)
    photo = low + (high - low) * (0.5 + 0.5 * wave)
    return torch.from_numpy(photo.astype(np.float32))[None]
