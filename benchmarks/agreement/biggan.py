"""Compares BigGAN here with the authors' program: same weights, codes and classes, then images, scores and gradients.

    git clone https://github.com/ajbrock/BigGAN-PyTorch CHECKOUT
    python benchmarks/agreement/biggan.py CHECKOUT

It imports the checkout. Nothing of it is part of this project. All is in float64, and all spectral norms have converged: the
two programs take the steps of power iteration in another order. For each quantity it prints the largest difference, divided
by the largest value. It fails if one is above 1e-4. Channels are ours; the authors' table of channels is replaced.
"""

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganvas.core.model import Round
from ganvas.losses.penalties import not_orthogonal
from ganvas.models.biggan import BigGAN
from ganvas.networks.biggan import BigCritic, BigSynthesis, doubling
from ganvas.probability.priors import Normal

SIDE, WIDTH, CLASSES, CHUNK, EMBEDDING, BATCH, ATTENTION = 32, 8, 5, 4, 6, 12, 16
SIDES = [4, 8, 16, 32]
LATENT = CHUNK * len(SIDES)
STEPS = 1_000
"""Of power iteration."""


def theirs(checkout: Path) -> tuple[Any, Any, Any, Any]:
    """Their generator and critic, and their modules `losses` and `utils`' function for orthogonal weights."""
    sys.path.insert(0, str(checkout))
    program: Any = importlib.import_module("BigGAN")
    losses = importlib.import_module("losses")
    channels = doubling(WIDTH, len(SIDES))
    up = channels[::-1]
    where = {side: side == ATTENTION for side in (4, 8, 16, 32)}
    generator_table = {
        "in_channels": up[:-1],
        "out_channels": up[1:],
        "upsample": [True] * 3,
        "resolution": SIDES[1:],
        "attention": where,
    }
    critic_table = {
        "in_channels": [3, *channels[:-1]],
        "out_channels": channels,
        "downsample": [True] * 3 + [False],
        "resolution": [16, 8, 4, 4],
        "attention": where,
    }
    program.G_arch = lambda *_: {SIDE: generator_table}
    program.D_arch = lambda *_: {SIDE: critic_table}
    common = {"resolution": SIDE, "n_classes": CLASSES, "skip_init": True}
    generator = program.Generator(dim_z=LATENT, shared_dim=EMBEDDING, hier=True, G_shared=True, no_optim=True, **common)
    critic = program.Discriminator(**common)
    for network in (generator, critic):
        for parameter in network.parameters():
            parameter.data.normal_(0, 0.3)
    for block in generator.blocks:  # biases before batch normalisation have no effect, and we have none
        for convolution in (block[0].conv1, block[0].conv2, block[0].conv_sc):
            convolution.bias.data.zero_()
    return generator.double(), critic.double(), losses, ortho_of(checkout)


def ortho_of(checkout: Path) -> Any:
    """Their function `ortho`, from its source: the module around it imports packages that are not needed here."""
    text = (checkout / "utils.py").read_text()
    begin = text.index("def ortho(")
    found: dict[str, Any] = {"torch": torch}
    exec(text[begin : text.index("# Default ortho reg")], found)
    return found["ortho"]


def ours() -> BigGAN:
    generator = BigSynthesis(LATENT, (3, SIDE, SIDE), CLASSES, WIDTH, EMBEDDING, ATTENTION)
    critic = BigCritic((3, SIDE, SIDE), CLASSES, WIDTH, ATTENTION)
    return BigGAN(generator, critic, Normal(LATENT), CLASSES, orthogonal=1e-4).double()


def put(to: Any, source: Any) -> None:
    """Weight and bias of a layer of theirs into ours, whose weight may be spectrally normalised."""
    weight = to.parametrizations.weight.original if hasattr(to, "parametrizations") else to.weight
    with torch.no_grad():
        if isinstance(to, nn.Embedding):  # ours has one more row, for images without a label
            weight.zero_()
            weight[:-1].copy_(source.weight)
        else:
            weight.copy_(source.weight)
        if getattr(to, "bias", None) is not None:
            to.bias.copy_(source.bias)


def put_attention(to: Any, source: Any) -> None:
    for mine, their in (("query", "theta"), ("key", "phi"), ("value", "g"), ("output", "o")):
        put(getattr(to, mine), getattr(source, their))
    to.gamma.data.copy_(source.gamma.data)


def copy(model: BigGAN, generator: Any, critic: Any) -> None:
    g: Any = model.generator
    put(g.classes.table, generator.shared)
    put(g.dense, generator.linear)
    for i, (block, layers) in enumerate(zip(g.blocks, generator.blocks, strict=True), start=1):
        their = layers[0]
        for mine, other in ((block.norm1, their.bn1), (block.norm2, their.bn2)):
            put(mine.gain, other.gain)
            put(mine.shift, other.bias)
        for mine, other in ((block.conv1, their.conv1), (block.conv2, their.conv2), (block.skip, their.conv_sc)):
            put(mine, other)
        if len(layers) > 1:
            put_attention(g.attend[str(i)], layers[1])
    norm, _, output = generator.output_layer
    g.norm.weight.data.copy_(norm.gain.data)
    g.norm.bias.data.copy_(norm.bias.data)
    put(g.output, output)
    d: Any = model.critic
    for i, (block, layers) in enumerate(zip(d.blocks, critic.blocks, strict=True)):
        put(block.conv1, layers[0].conv1)
        put(block.conv2, layers[0].conv2)
        if layers[0].learnable_sc:
            put(block.skip, layers[0].conv_sc)
        if len(layers) > 1:
            put_attention(d.attend[str(i)], layers[1])
    put(d.head.linear, critic.linear)
    put(d.head.projection.table, critic.embed)


@torch.no_grad()
def converge(model: nn.Module, networks: list[Any]) -> None:
    for part in [p for network in networks for p in network.modules() if hasattr(p, "W_")]:
        for _ in range(STEPS):
            part.W_()
    for part in model.modules():
        if hasattr(part, "parametrizations"):
            for _ in range(STEPS):
                _ = part.weight


def compare(name: str, our: Tensor, their: Tensor) -> float:
    difference = float((our - their).detach().abs().max() / their.detach().abs().max())
    print(f"  {name:40} {difference:.1e}")
    return difference


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    torch.manual_seed(0)
    generator, critic, losses, ortho = theirs(parser.parse_args().checkout)
    model = ours()
    copy(model, generator, critic)
    converge(model.train(), [generator.train(), critic.train()])
    z, y = torch.randn(BATCH, LATENT).double(), torch.arange(BATCH) % CLASSES
    x, labels = torch.rand(BATCH, 3, SIDE, SIDE).double() * 2 - 1, (torch.arange(BATCH) * 2) % CLASSES
    fake, their_fake = model.generator(z, y), generator(z, generator.shared(y))
    found = [compare("generated images, in training", fake, their_fake)]
    model.eval(), generator.eval()
    found.append(compare("generated images, afterwards", model.generator(z, y), generator(z, generator.shared(y))))
    model.train(), generator.train()
    found.append(compare("scores", model.critic(x, labels), critic(x, labels).squeeze(1)))
    r = Round(x=x, y=labels, fake=fake, fake_y=y)
    first = model.critic.get_submodule("blocks.0.conv1").parametrizations.weight.original
    (slope,) = torch.autograd.grad(model.critic_loss(r)["adversarial"], first, retain_graph=True)
    scores = critic(torch.cat([their_fake, x]), torch.cat([y, labels]))
    sum(losses.discriminator_loss(*scores.split(BATCH))).backward(retain_graph=True)
    found.append(compare("critic's loss: gradient of a weight", slope, critic.blocks[0][0].conv1.weight.grad))
    dense = model.generator.get_submodule("dense").parametrizations.weight.original
    (slope,) = torch.autograd.grad(model.generator_loss(r)["adversarial"], dense, retain_graph=True)
    generator.zero_grad()
    losses.generator_loss(critic(their_fake, y)).backward()
    found.append(compare("generator's loss: gradient of a weight", slope, generator.linear.weight.grad))
    generator.zero_grad()
    for parameter in generator.parameters():
        parameter.grad = torch.zeros_like(parameter)
    ortho(generator, 1.0, list(generator.shared.parameters()))
    (slope,) = torch.autograd.grad(not_orthogonal([dense]), dense)
    found.append(compare("orthogonality: half of the gradient", slope / 2, generator.linear.weight.grad))
    assert max(found) < 1e-4, "the programs differ"


if __name__ == "__main__":
    main()
