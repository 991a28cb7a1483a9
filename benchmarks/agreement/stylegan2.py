"""Compares StyleGAN2 here with the authors' program: same weights, codes and noise, then images, scores and penalties.

    git clone https://github.com/NVlabs/stylegan2-ada-pytorch CHECKOUT
    python benchmarks/agreement/stylegan2.py CHECKOUT

It imports the checkout, whose reference operations work on the CPU. Nothing of it is part of this project. For each
quantity it prints the largest difference, divided by the largest value. It fails if one is above 1e-4.
"""

import argparse
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from ganvas.core.model import Round
from ganvas.losses.penalties import R1
from ganvas.models.stylegan2 import StyleGAN2
from ganvas.networks.stylegan2 import Mapping, StyleCritic, StyleSynthesis
from ganvas.probability.priors import Normal

SIDE, WIDTH, MOST, LATENT, BATCH, GAMMA = 64, 8, 32, 24, 8, 1.7
BASE = WIDTH * SIDE
"""The authors count channels as base / side, at most MOST."""


def theirs(checkout: Path, classes: int) -> tuple[Any, Any, Any]:
    """Their generator, critic and the module with their loss."""
    sys.path.insert(0, str(checkout))
    sys.modules.setdefault("requests", ModuleType("requests"))  # they import it for downloads only
    from training import loss, networks  # pyright: ignore[reportMissingImports]

    sizes = {"channel_base": BASE, "channel_max": MOST}
    generator = networks.Generator(
        LATENT, classes, LATENT, SIDE, 3, mapping_kwargs={"num_layers": 2}, synthesis_kwargs=sizes
    )
    critic = networks.Discriminator(classes, SIDE, 3, mapping_kwargs={"num_layers": 2}, **sizes)
    for network in (generator, critic):
        for name, parameter in network.named_parameters():
            if "noise_strength" in name or name.endswith("bias"):  # they start at 0, or 1
                parameter.data.add_(0.3 * torch.randn_like(parameter))
    return generator.train().requires_grad_(), critic.train().requires_grad_(), loss


def ours(classes: int) -> StyleGAN2:
    kinds = classes or None
    return StyleGAN2(
        Mapping(LATENT, LATENT, 2, kinds),
        StyleSynthesis(LATENT, (3, SIDE, SIDE), WIDTH, MOST),
        StyleCritic((3, SIDE, SIDE), WIDTH, MOST, num_classes=kinds),
        Normal(LATENT),
        LATENT,
        penalties=[R1(GAMMA, 16)],
        path_share=1.0,
    )


def copy(model: StyleGAN2, generator: Any, critic: Any) -> None:
    """Their weights into our networks."""
    put_mapping(model.mapping, generator.mapping)
    synthesis: Any = model.synthesis
    blocks = [getattr(generator.synthesis, f"b{side}") for side in generator.synthesis.block_resolutions]
    put(synthesis.constant, blocks[0].const[None])
    put_styled(synthesis.first, blocks[0].conv1)
    put_pixels(synthesis.pictures[0], blocks[0].torgb)
    for i, block in enumerate(blocks[1:]):
        put_styled(synthesis.enlarge[i], block.conv0)
        put_styled(synthesis.refine[i], block.conv1)
        put_pixels(synthesis.pictures[i + 1], block.torgb)
    ourselves: Any = model.critic
    blocks = [getattr(critic, f"b{side}") for side in critic.block_resolutions]
    put_affine(ourselves.first, blocks[0].fromrgb)
    for block, there in zip(ourselves.blocks, blocks, strict=True):
        put_affine(block.keep, there.conv0)
        put_affine(block.halve, there.conv1)
        put_affine(block.skip, there.skip)
    put_affine(ourselves.convolution, critic.b4.conv)
    put_affine(ourselves.dense, critic.b4.fc)
    put_affine(ourselves.output, critic.b4.out)
    if ourselves.classes is not None:
        put_mapping(ourselves.classes, critic.mapping)


def put(to: Tensor, source: Tensor) -> None:
    assert to.shape == source.shape, f"{tuple(to.shape)} is not {tuple(source.shape)}"
    with torch.no_grad():
        to.copy_(source)


def put_affine(to: Any, source: Any) -> None:
    put(to.weight, source.weight)
    assert (to.bias is None) == (source.bias is None)
    if to.bias is not None:
        put(to.bias, source.bias)


def put_styled(to: Any, source: Any) -> None:
    put(to.convolution.weight, source.weight)
    put_affine(to.convolution.affine, source.affine)
    put(to.bias, source.bias)
    put(to.noise.weight, source.noise_strength)
    put(to.noise.fixed, source.noise_const[None, None])


def put_pixels(to: Any, source: Any) -> None:
    put(to.convolution.weight, source.weight)
    put_affine(to.convolution.affine, source.affine)
    put(to.bias, source.bias)


def put_mapping(to: Any, source: Any) -> None:
    if to.embedding is not None:  # theirs is a dense layer of a one-hot class
        embed = source.embed
        put(to.embedding.table.weight[:-1], (embed.weight * embed.weight_gain).T + embed.bias * embed.bias_gain)
    for i, layer in enumerate(to.layers):
        put_affine(layer, getattr(source, f"fc{i}"))


def compare(name: str, our: Tensor, their: Tensor) -> float:
    difference = float((our - their).detach().abs().max() / their.detach().abs().max())
    print(f"  {name:40} {difference:.1e}")
    return difference


def agreement(checkout: Path, classes: int) -> list[float]:
    """The differences for networks without classes (0), or with so many."""
    torch.manual_seed(0)
    generator, critic, losses = theirs(checkout, classes)
    model = ours(classes)
    copy(model, generator, critic)
    z, x = torch.randn(BATCH, LATENT), torch.rand(BATCH, 3, SIDE, SIDE) * 2 - 1
    y = torch.arange(BATCH) % classes if classes else None
    c = torch.eye(classes)[y] if classes else torch.zeros(BATCH, 0)
    model.eval()  # so that the noise is the fixed one
    found: list[float] = []
    w = model.mapping(z, y)
    ws = model.layered(w)
    found.append(compare("w", ws, generator.mapping(z, c)))
    image = model.synthesis(ws)
    their_ws = generator.mapping(z, c, skip_w_avg_update=True)
    their_image = generator.synthesis(their_ws, noise_mode="const", fused_modconv=False)
    found.append(compare("generated images", image, their_image))
    fused = generator.synthesis(their_ws, noise_mode="const", fused_modconv=True)
    found.append(compare("generated images, their fused way", image, fused))
    found.append(compare("mean of w", torch.zeros(LATENT).lerp_(w.mean(0), 0.005), generator.mapping.w_avg))
    model.mean_w.copy_(generator.mapping.w_avg)
    model.sampling(truncation=0.7)
    their = generator.synthesis(generator.mapping(z, c, truncation_psi=0.7, skip_w_avg_update=True), noise_mode="const")
    found.append(compare("truncated images", model.generate(z, y), their))
    found.append(compare("scores", model.critic(x, y), critic(x, c).squeeze(1)))
    found += penalties(model, generator, critic, losses, (x, y, z, c))
    return found


def penalties(model: StyleGAN2, generator: Any, critic: Any, losses: Any, batch: tuple[Any, ...]) -> list[float]:
    """Losses and penalties by the authors' loss object: their gradients of all weights beside ours."""
    x, y, z, c = batch
    mean = torch.tensor(0.4)

    class FixedNoise(torch.nn.Module):
        def forward(self, ws: Tensor) -> Tensor:
            return generator.synthesis(ws, noise_mode="const")

    their = losses.StyleGAN2Loss(
        torch.device("cpu"), generator.mapping, FixedNoise(), critic, None, 0.0, GAMMA, 1, 0.01, 2.0
    )
    their.pl_mean.copy_(mean)
    model.mean_path.copy_(mean)
    r = Round(x=x, y=y, w=model.mapping(z, y), ws=model.layered(model.mapping(z, y)))
    lazy = model.players()[0].lazy[0]
    cases = [
        ("generator's loss", "Gmain", model.generator_loss, model.synthesis.constant, generator.synthesis.b4.const),
        ("path length", "Greg", model.path_penalty, model.synthesis.constant, generator.synthesis.b4.const),
        ("path length", "Greg", model.path_penalty, model.mapping.layers[0].weight, generator.mapping.fc0.weight),
        ("critic's loss", "Dmain", model.critic_loss, model.critic.first.weight, critic.b64.fromrgb.weight),
        ("critic's loss", "Dmain", model.critic_loss, model.critic.output.weight, critic.b4.out.weight),
        ("R1", "Dreg", lazy.penalty, model.critic.first.weight, critic.b64.fromrgb.weight),
        ("R1", "Dreg", lazy.penalty, model.critic.dense.weight, critic.b4.fc.weight),
    ]
    found: list[float] = []
    for name, phase, loss, parameter, their_parameter in cases:
        generator.zero_grad()
        critic.zero_grad()
        their.pl_mean.copy_(mean)
        torch.manual_seed(1)
        terms = loss(r)
        (slope,) = torch.autograd.grad(sum(terms.values()), parameter, retain_graph=True)
        torch.manual_seed(1)
        their.accumulate_gradients(phase, x, c, z, c, True, 1)
        found.append(
            compare(f"{name}: gradient of {tuple(parameter.shape)}", slope, their_parameter.grad.view_as(slope))
        )
    torch.manual_seed(1)
    model.path_penalty(r)
    moved = torch.lerp(mean, r.length, 0.01)
    generator.zero_grad()
    torch.manual_seed(1)
    their.pl_mean.copy_(mean)
    their.accumulate_gradients("Greg", x, c, z, c, True, 1)
    return [*found, compare("mean path length", moved, their.pl_mean)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    checkout = parser.parse_args().checkout
    found: list[float] = []
    for classes in (0, 5):
        print(f"{classes} classes" if classes else "without classes")
        found += agreement(checkout, classes)
    assert max(found) < 1e-4, "the programs differ"


if __name__ == "__main__":
    main()
