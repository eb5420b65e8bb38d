"""What the scripts share that export networks."""

import math

import torch
from torch import nn
from torch.export import save

WEIGHTED = nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d, nn.Linear


class Layers(nn.Module):
    """Layers as they follow each other in most networks."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3, stride=2, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(2)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(8, 3)

    def forward(self, x):
        x = self.pool(torch.relu(self.bn(self.conv(x))))
        return self.fc(x.flatten(1))


def save_without_traces(program, path):
    """Without what tells of the machine."""
    for node in program.graph.nodes:
        for key in ["stack_trace", "torch_fn", "source_fn_stack"]:
            node.meta.pop(key, None)
    save(program, path)


def photos(side, seed):
    """Two smooth pictures with noise: seeded weights answer noise alone alike."""
    generator = torch.Generator().manual_seed(seed)
    smooth = torch.rand(2, 3, 5, 5, generator=generator)
    smooth = nn.functional.interpolate(smooth, size=(side, side), mode="bilinear")
    return 0.7 * smooth + 0.3 * torch.rand(2, 3, side, side, generator=generator)


def tensor_of(output):
    while not torch.is_tensor(output):
        output = output["out"] if isinstance(output, dict) else output[0]
    return output


@torch.no_grad()
def seeded(net, side):
    """Draws what starts as a constant, and scales each layer so that its output has a deviation of 1."""
    generator = torch.Generator().manual_seed(1)

    def uniform(tensor, low, high):
        tensor.copy_(low + (high - low) * torch.rand(tensor.shape, generator=generator))

    for name, parameter in net.named_parameters():
        start = float(parameter.flatten()[0])
        if not bool((parameter == start).all()):
            if any(part in name for part in ["pos_embed", "bias_table", "class_token", "cls_token"]):
                parameter.mul_(0.3 / max(float(parameter.std()), 1e-6))
        elif start == 0 and parameter.ndim > 1:
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
        elif start == 0:
            uniform(parameter, -0.1, 0.1)
        elif abs(start) <= 0.1:
            uniform(parameter, 0.1, 0.5)
        else:
            uniform(parameter, 0.5 * start, 1.5 * start)
    for name, buffer in net.named_buffers():
        if name.endswith("running_mean"):
            uniform(buffer, -0.1, 0.1)
        elif name.endswith("running_var"):
            uniform(buffer, 0.5, 1.5)
    seen = set()

    def scale(module, inputs, output):
        if module in seen:
            return None
        seen.add(module)
        deviation = float(output.std())
        if not math.isfinite(deviation) or deviation < 1e-8:
            return None
        module.weight.mul_(1 / deviation)
        return module.forward(*inputs)

    # What is not trained is a formula.
    layers = [m for m in net.modules() if isinstance(m, WEIGHTED) and m.weight.requires_grad]
    hooks = [m.register_forward_hook(scale) for m in layers]
    net(photos(side, 2))
    for hook in hooks:
        hook.remove()
    return net


@torch.no_grad()
def outputs_of(net, x, chosen, prefix):
    """What the modules of these paths make, and the network."""
    made = {"input": x}

    def keep(path):
        # A copy: what follows may write over it.
        return lambda module, inputs, output: made.__setitem__(f"{prefix}:{path}", output.clone())

    hooks = [net.get_submodule(path).register_forward_hook(keep(path)) for path in chosen]
    made["output"] = tensor_of(net(x))
    for hook in hooks:
        hook.remove()
    return {key: value.float().contiguous() for key, value in made.items()}


def of_onnxruntime(network, x, chosen):
    """What onnxruntime makes of one photo after the other: the network's first output, and these tensors."""
    import onnx
    import onnxruntime

    names = {"output": network.graph.output[0].name, **chosen}
    network.graph.output.extend(onnx.ValueInfoProto(name=name) for name in chosen.values())
    session = onnxruntime.InferenceSession(network.SerializeToString())
    photo = network.graph.input[0].name
    runs = [session.run(list(names.values()), {photo: one[None].numpy()}) for one in x]
    return {key: torch.cat([torch.from_numpy(run[i]) for run in runs]) for i, key in enumerate(names)}
