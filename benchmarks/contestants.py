"""Who runs in benchmarks/speed.py: the same work in ganvas, in other libraries, and in loops as people write them.

A contestant is a function that sets everything up and returns a `Block`: what is timed is `Block.run`, again and again.
"""

import contextlib
import io
import itertools
import json
import logging
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ganvas.core.model import Model, Player, Round, Terms
from ganvas.core.order import OneDraw, Simultaneous
from ganvas.data import DataInfo, Split, batches
from ganvas.losses.adversarial import Wasserstein
from ganvas.losses.penalties import GradientPenalty
from ganvas.losses.reconstruction import unit_scale
from ganvas.machine import rng
from ganvas.machine.arithmetic import Products
from ganvas.machine.distributed import ALONE, Place, join
from ganvas.models.aae import AAE
from ganvas.models.gan import GAN
from ganvas.models.vae import VAE
from ganvas.models.vaegan import VAEGAN
from ganvas.networks import CodeCritic, Critic, Decoder, Encoder, Generator, Mlp
from ganvas.networks.body import Analysis, Synthesis
from ganvas.nn.resampled import enlarged
from ganvas.probability.likelihoods import Bernoulli
from ganvas.probability.priors import Normal
from ganvas.training.trainer import Trainer


class Operations(TorchDispatchMode):
    """Counts the operators called inside, and the floating-point operations of the products and convolutions among them."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = self.calls = 0

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        out = function(*arguments, **(named or {}))
        self.calls += 1
        if formula := flop_registry.get(function._overloadpacket):
            self.flops += formula(*arguments, **(named or {}), out_val=out)
        return out


NUM = 2_048
"""Examples in the data sets; no timing depends on what they show."""


@dataclass
class Block:
    """run: a piece of the work. images: how many it sees or makes. counted: whether torch can count its operations."""

    run: Callable[[], object]
    images: int
    counted: bool = False


def pixels(side: int, channels: int = 1) -> np.ndarray:
    """Smooth random pictures, uint8 (NUM, side, side, channels)."""
    coarse = torch.rand(NUM, channels, 7, 7, generator=torch.Generator().manual_seed(0))
    fine = F.interpolate(coarse, size=side, mode="bilinear")
    return (255 * fine).byte().permute(0, 2, 3, 1).numpy()


def unit(side: int) -> Tensor:
    """The same pictures as float32 in [0, 1], (NUM, 1, side, side)."""
    return torch.from_numpy(pixels(side)).permute(0, 3, 1, 2).float().div(255).contiguous()


def split(side: int) -> Split:
    return Split(torch.from_numpy(pixels(side)).permute(0, 3, 1, 2).contiguous())


def adam(rate: float, *betas: float) -> Callable[..., torch.optim.Optimizer]:
    return lambda parameters: torch.optim.Adam(parameters, lr=rate, betas=betas or (0.9, 0.999), fused=True)


def trained(
    model: Model, rates: dict[str, Any], data: Split, batch_size: int, steps: int, place: Place = ALONE, **options: Any
) -> Block:
    """ganvas's own loop over its own batches; batch_size: of all processes together."""
    trainer = Trainer(model, rates, place=place, **options)
    stream = batches(data, batch_size, 0, rank=place.rank, world_size=place.world_size)
    trainer.step(next(stream))
    run = lambda: trainer.fit(stream, trainer.images_seen + steps * batch_size)  # noqa: E731
    return Block(run, steps * batch_size, counted=not options.get("compile"))  # what is compiled cannot be looked into


def looped(
    step: Callable[[Any], object], stream: Iterator[Any], batch_size: int, steps: int, compiled: bool = False
) -> Block:
    """A loop by hand."""
    step(next(stream))

    def run() -> None:
        for _ in range(steps):
            step(next(stream))

    return Block(run, steps * batch_size, counted=not compiled)


def in_memory(x: Tensor, batch_size: int) -> Iterator[Tensor]:
    while True:
        for rows in torch.randperm(len(x)).split(batch_size):
            if len(rows) == batch_size:
                yield x[rows]


class Pictures(torch.utils.data.Dataset):
    """Pictures opened, resized and normalised one by one, as the popular scripts do it with torchvision's transforms."""

    def __init__(self, native: int, side: int) -> None:
        self.pixels, self.side = pixels(native), side

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        from PIL import Image

        image = Image.fromarray(self.pixels[index, :, :, 0])
        if self.side != image.width:
            image = image.resize((self.side, self.side), Image.Resampling.BILINEAR)
        x = torch.from_numpy(np.array(image)).unsqueeze(0).float().div(255)
        return (x - 0.5) / 0.5, 0


def loaded(native: int, side: int, batch_size: int) -> Iterator[Tensor]:
    loader = torch.utils.data.DataLoader(Pictures(native, side), batch_size, shuffle=True, drop_last=True)
    while True:
        for x, _ in loader:
            yield x


# --- a VAE, 784-400-20 ------------------------------------------------------------------------------------------------


def vae_ganvas() -> Block:
    family, shape = Mlp(width=400, depth=1), (1, 28, 28)
    model = VAE(Encoder(family.analysis(shape), 20), Decoder(family.synthesis(20, shape), Bernoulli()), Normal(20))
    return trained(model, {"autoencoder": adam(1e-3)}, split(28), 128, 60)


class BareVAE(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.code = nn.Linear(784, 400), nn.Linear(400, 40)
        self.back, self.out = nn.Linear(20, 400), nn.Linear(400, 784)

    def forward(self, x: Tensor) -> Tensor:
        mean, log_variance = self.code(F.relu(self.hidden(x))).chunk(2, dim=1)
        z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        logits = self.out(F.relu(self.back(z)))
        distortion = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        return (distortion - 0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum()) / len(x)


def vae_bare() -> Block:
    """The tightest loop: float data in memory, fused Adam."""
    model = BareVAE()
    return vae_loop(model, model)


def vae_bare_compiled() -> Block:
    model = BareVAE()
    return vae_loop(model, torch.compile(model), compiled=True)


def vae_loop(model: nn.Module, loss: Callable[[Tensor], Tensor], compiled: bool = False) -> Block:
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)

    def step(x: Tensor) -> None:
        optimizer.zero_grad()
        loss(x).backward()
        optimizer.step()

    return looped(step, in_memory(unit(28).flatten(1), 128), 128, 60, compiled)


def vae_pythae() -> Block:
    from pythae.models import VAE as Theirs
    from pythae.models import VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder

    class In(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.mean, self.log_variance = nn.Linear(784, 400), nn.Linear(400, 20), nn.Linear(400, 20)

        def forward(self, x: Tensor) -> ModelOutput:
            h = F.relu(self.hidden(x.flatten(1)))
            return ModelOutput(embedding=self.mean(h), log_covariance=self.log_variance(h))

    class Out(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784), nn.Sigmoid())

        def forward(self, z: Tensor) -> ModelOutput:
            return ModelOutput(reconstruction=self.layers(z).unflatten(1, (1, 28, 28)))

    config = VAEConfig(input_dim=(1, 28, 28), latent_dim=20, reconstruction_loss="bce")
    return pythae_epochs(Theirs(config, encoder=In(), decoder=Out()), "BaseTrainer", 128, NUM)


def pythae_epochs(model: nn.Module, trainer: str, batch_size: int, num: int) -> Block:
    """Epochs of pythae's own trainer over `num` examples."""
    from pythae import trainers
    from pythae.data.datasets import BaseDataset

    logging.disable(logging.CRITICAL)
    config = getattr(trainers, f"{trainer}Config")(
        output_dir=tempfile.mkdtemp(), per_device_train_batch_size=batch_size, num_epochs=1, no_cuda=True
    )
    data = BaseDataset(unit(28)[:num], torch.zeros(num))
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        theirs = getattr(trainers, trainer)(model, train_dataset=data, training_config=config)
        theirs.prepare_training()
    theirs.callback_handler.callbacks = []  # its progress bar
    return Block(lambda: theirs.train_step(1), num)


def vae_keras_torch() -> Block:
    return vae_keras("torch")


def vae_keras_jax() -> Block:
    return vae_keras("jax")


def vae_keras(backend: str) -> Block:
    os.environ["KERAS_BACKEND"] = backend
    import keras

    class Code(keras.layers.Layer):
        """Draws a code, and charges its rate."""

        def __init__(self) -> None:
            super().__init__()
            self.seeds = keras.random.SeedGenerator(0)

        def call(self, both: Any) -> Any:
            mean, log_variance = keras.ops.split(both, 2, axis=1)
            rate = -0.5 * keras.ops.sum(1 + log_variance - mean**2 - keras.ops.exp(log_variance), axis=1)
            self.add_loss(keras.ops.mean(rate))
            noise = keras.random.normal(keras.ops.shape(mean), seed=self.seeds)
            return mean + keras.ops.exp(0.5 * log_variance) * noise

    inputs = keras.Input((784,))
    code = Code()(keras.layers.Dense(40)(keras.layers.Dense(400, activation="relu")(inputs)))
    outputs = keras.layers.Dense(784)(keras.layers.Dense(400, activation="relu")(code))
    model = keras.Model(inputs, outputs)

    def distortion(x: Any, logits: Any) -> Any:
        return 784 * keras.losses.binary_crossentropy(x, logits, from_logits=True)

    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=distortion)
    x = unit(28).flatten(1).numpy()
    model.fit(x, x, batch_size=128, epochs=1, verbose=0)
    return Block(lambda: model.fit(x, x, batch_size=128, epochs=2, verbose=0), 2 * NUM)


# --- pythae's convolutional networks for MNIST ------------------------------------------------------------------------


class PythaeAnalysis(Analysis):
    """Four strided convolutions to 1,024 features: pythae's Encoder_Conv_VAE_MNIST, Discriminator_Conv_MNIST."""

    def __init__(self, norm: bool) -> None:
        super().__init__((1, 28, 28), (1024, 1, 1))
        widths, layers = (1, 128, 256, 512, 1024), []
        for index, (a, b) in enumerate(itertools.pairwise(widths)):
            activation = nn.Tanh() if index == 1 and not norm else nn.ReLU()
            layers += [nn.Conv2d(a, b, 4, 2, 1), *([nn.BatchNorm2d(b)] if norm else []), activation]
        self.layers = nn.Sequential(*layers)

    def maps(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.layers(x)


class PythaeSynthesis(Synthesis):
    """pythae's Decoder_Conv_AE_MNIST."""

    def __init__(self) -> None:
        super().__init__(16, (1, 28, 28), 1, None)
        self.first = nn.Linear(16, 1024 * 4 * 4)
        self.layers = nn.Sequential(
            *(nn.ConvTranspose2d(1024, 512, 3, 2, padding=1), nn.BatchNorm2d(512), nn.ReLU()),
            *(nn.ConvTranspose2d(512, 256, 3, 2, padding=1, output_padding=1), nn.BatchNorm2d(256), nn.ReLU()),
            nn.ConvTranspose2d(256, 1, 3, 2, padding=1, output_padding=1),
        )

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.layers(self.first(z).unflatten(1, (1024, 4, 4)))


def vaegan_ganvas() -> Block:
    model = VAEGAN(
        Encoder(PythaeAnalysis(norm=True), 16),
        Generator(PythaeSynthesis(), nn.Sigmoid()),
        Critic(PythaeAnalysis(norm=False)),
        Normal(16),
        distance=unit_scale,
        gamma=0.8,
    )
    return trained(model, {name: adam(1e-4) for name in ("encoder", "decoder", "discriminator")}, split(28), 64, 1)


def vaegan_ganvas_torch() -> Block:
    """With convolutions and products left to torch."""
    os.environ["GANVAS_PRODUCTS"] = "torch"
    return vaegan_ganvas()


def vaegan_pythae() -> Block:
    from pythae.models import VAEGAN as Theirs
    from pythae.models import VAEGANConfig
    from pythae.models.nn.benchmarks.mnist import (
        Decoder_Conv_AE_MNIST,
        Discriminator_Conv_MNIST,
        Encoder_Conv_VAE_MNIST,
    )

    # A margin so wide that every player moves at every step.
    config = VAEGANConfig(input_dim=(1, 28, 28), latent_dim=16, reconstruction_layer=4, margin=100.0)
    model = Theirs(
        config, Encoder_Conv_VAE_MNIST(config), Decoder_Conv_AE_MNIST(config), Discriminator_Conv_MNIST(config)
    )
    return pythae_epochs(model, "CoupledOptimizerAdversarialTrainer", 64, 64)


class JointAAE(AAE):
    """As pythae has it: one pass, and the encoder moves once, by both of its terms."""

    order = Simultaneous()

    def players(self) -> tuple[Player, ...]:
        return (
            Player("autoencoder", [self.encoder, self.decoder], self.both),
            Player("critic", [self.critic], self.critic_loss),
        )

    def both(self, r: Round) -> Terms:
        return self.reconstruction_loss(r) | self.encoder_loss(r)


def aae_ganvas() -> Block:
    model = JointAAE(
        Encoder(PythaeAnalysis(norm=True), 16),
        Decoder(PythaeSynthesis(), Bernoulli()),
        CodeCritic(16, width=256, depth=1),
        Normal(16),
    )
    return trained(model, {name: adam(1e-4) for name in ("autoencoder", "critic")}, split(28), 64, 1)


def aae_ganvas_torch() -> Block:
    """With convolutions and products left to torch."""
    os.environ["GANVAS_PRODUCTS"] = "torch"
    return aae_ganvas()


def aae_pythae() -> Block:
    from pythae.models import Adversarial_AE, Adversarial_AE_Config
    from pythae.models.nn.benchmarks.mnist import Decoder_Conv_AE_MNIST, Encoder_Conv_VAE_MNIST

    config = Adversarial_AE_Config(input_dim=(1, 28, 28), latent_dim=16, reconstruction_loss="bce")
    model = Adversarial_AE(config, Encoder_Conv_VAE_MNIST(config), Decoder_Conv_AE_MNIST(config))
    return pythae_epochs(model, "AdversarialTrainer", 64, 64)


# --- DCGAN, PyTorch-GAN's networks, 32x32 -----------------------------------------------------------------------------


class DcganGenerator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(100, 128 * 8 * 8)
        self.layers = nn.Sequential(
            *(nn.BatchNorm2d(128), nn.Upsample(scale_factor=2)),
            *(nn.Conv2d(128, 128, 3, 1, 1), nn.BatchNorm2d(128, 0.8), nn.LeakyReLU(0.2, inplace=True)),
            *(nn.Upsample(scale_factor=2), nn.Conv2d(128, 64, 3, 1, 1), nn.BatchNorm2d(64, 0.8)),
            *(nn.LeakyReLU(0.2, inplace=True), nn.Conv2d(64, 1, 3, 1, 1), nn.Tanh()),
        )

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.layers(self.first(z).view(len(z), 128, 8, 8))


class Enlarged(nn.Module):
    """nn.Upsample(scale_factor=2) and the convolution after it, as ganvas's own networks compute the two."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution

    def forward(self, h: Tensor) -> Tensor:
        return enlarged(self.convolution, h)


class FusedDcganGenerator(DcganGenerator):
    """The same function of the same weights."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for layer in self.layers:
            if layers and isinstance(layer, nn.Conv2d) and isinstance(layers[-1], nn.Upsample):
                layer = Enlarged(layer)
                layers.pop()
            layers.append(layer)
        self.layers = nn.Sequential(*layers)


class DcganDiscriminator(nn.Module):
    """Scores before the sigmoid."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for index, (a, b) in enumerate(((1, 16), (16, 32), (32, 64), (64, 128))):
            layers += [nn.Conv2d(a, b, 3, 2, 1), nn.LeakyReLU(0.2, inplace=True), nn.Dropout2d(0.25)]
            layers += [nn.BatchNorm2d(b, 0.8)] if index else []
        self.layers, self.last = nn.Sequential(*layers), nn.Linear(128 * 2 * 2, 1)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.last(self.layers(x).flatten(1)).squeeze(1)


GAN_RATES = {"critic": adam(2e-4, 0.5, 0.999), "generator": adam(2e-4, 0.5, 0.999)}


def dcgan_ganvas() -> Block:
    return dcgan_trained(FusedDcganGenerator())


def dcgan_ganvas_plain() -> Block:
    """With the script's own layers."""
    return dcgan_trained(DcganGenerator())


def dcgan_trained(generator: nn.Module) -> Block:
    model = GAN(generator, DcganDiscriminator(), Normal(100), order=OneDraw())
    return trained(model, GAN_RATES, split(32), 64, 4)


def dcgan_script() -> Block:
    """As PyTorch-GAN's dcgan.py goes about it."""
    return dcgan_loop(loaded(28, 32, 64), fused=False, layout=torch.contiguous_format)


def dcgan_bare() -> Block:
    """The same with data in memory, channels last and fused Adam."""
    return dcgan_loop(in_memory(unit(32) * 2 - 1, 64), fused=True, layout=torch.channels_last)


def dcgan_loop(stream: Iterator[Tensor], fused: bool, layout: torch.memory_format) -> Block:
    generator, discriminator = (n.to(memory_format=layout) for n in (DcganGenerator(), DcganDiscriminator()))
    adams = [torch.optim.Adam(n.parameters(), 2e-4, (0.5, 0.999), fused=fused) for n in (generator, discriminator)]

    def judged(x: Tensor, label: float) -> Tensor:
        score = torch.sigmoid(discriminator(x))
        return F.binary_cross_entropy(score, torch.full_like(score, label))

    def step(real: Tensor) -> None:
        adams[0].zero_grad()
        fake = generator(torch.randn(len(real), 100))
        g_loss = judged(fake, 1.0)
        g_loss.backward()
        adams[0].step()
        adams[1].zero_grad()
        d_loss = (judged(real, 1.0) + judged(fake.detach(), 0.0)) / 2
        d_loss.backward()
        adams[1].step()
        d_loss.item(), g_loss.item()  # which the scripts print at every step

    return looped(step, stream, 64, 4)


# --- WGAN-GP, PyTorch-GAN's dense networks ----------------------------------------------------------------------------


class WganGenerator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Linear(100, 128), nn.LeakyReLU(0.2, inplace=True)]
        for a, b in ((128, 256), (256, 512), (512, 1024)):
            layers += [nn.Linear(a, b), nn.BatchNorm1d(b, 0.8), nn.LeakyReLU(0.2, inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Linear(1024, 784), nn.Tanh())

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.layers(z).view(-1, 1, 28, 28)


class WganCritic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Linear(784, 512), nn.LeakyReLU(0.2, inplace=True)),
            *(nn.Linear(512, 256), nn.LeakyReLU(0.2, inplace=True), nn.Linear(256, 1)),
        )

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.layers(x.flatten(1)).squeeze(1)


def wgan_ganvas() -> Block:
    model = GAN(
        *(WganGenerator(), WganCritic(), Normal(100)),
        loss=Wasserstein(),
        penalties=[GradientPenalty()],
        critic_steps=5,
        order=OneDraw(),
    )
    return trained(model, GAN_RATES, split(28), 64, 50)


def wgan_script() -> Block:
    """As PyTorch-GAN's wgan_gp.py goes about it."""
    generator, critic = WganGenerator(), WganCritic()
    adams = [torch.optim.Adam(n.parameters(), 2e-4, (0.5, 0.999)) for n in (generator, critic)]
    steps = 0

    def penalty(real: Tensor, fake: Tensor) -> Tensor:
        share = torch.rand(len(real), 1, 1, 1)
        between = (share * real + (1 - share) * fake).requires_grad_(True)
        score = critic(between)
        (slope,) = torch.autograd.grad(score, between, torch.ones_like(score), create_graph=True, retain_graph=True)
        return ((slope.flatten(1).norm(2, dim=1) - 1) ** 2).mean()

    def step(real: Tensor) -> None:
        nonlocal steps
        adams[1].zero_grad()
        z = torch.randn(len(real), 100)
        fake = generator(z)
        d_loss = -critic(real).mean() + critic(fake).mean() + 10 * penalty(real.data, fake.data)
        d_loss.backward()
        adams[1].step()
        adams[0].zero_grad()
        if steps % 5 == 0:
            g_loss = -critic(generator(z)).mean()
            g_loss.backward()
            adams[0].step()
            d_loss.item(), g_loss.item()
        steps += 1

    return looped(step, loaded(28, 28, 64), 64, 50)


# --- a GAN on eight points --------------------------------------------------------------------------------------------


def ring8_ganvas() -> Block:
    family = Mlp(width=400, depth=4)
    model = GAN(Generator(family.synthesis(2, (2,))), Critic(family.analysis((2,))), Normal(2))
    return trained(model, GAN_RATES, Split(torch.randn(NUM, 2)), 100, 60)


def ring8_bare() -> Block:
    """As tight as one can: fused Adam, the discriminator frozen in the generator's turn, nothing printed."""

    def dense(a: int, b: int) -> nn.Sequential:
        hidden = [layer for _ in range(3) for layer in (nn.Linear(400, 400), nn.ReLU())]
        return nn.Sequential(nn.Linear(a, 400), nn.ReLU(), *hidden, nn.Linear(400, b))

    generator, critic = dense(2, 2), dense(2, 1)
    adams = [torch.optim.Adam(n.parameters(), 2e-4, (0.5, 0.999), fused=True) for n in (generator, critic)]

    def step(real: Tensor) -> None:
        with torch.no_grad():
            fake = generator(torch.randn(100, 2))
        adams[1].zero_grad()
        (F.softplus(-critic(real)).mean() + F.softplus(critic(fake)).mean()).backward()
        adams[1].step()
        adams[0].zero_grad()
        critic.requires_grad_(False)
        F.softplus(-critic(generator(torch.randn(100, 2)))).mean().backward()
        critic.requires_grad_(True)
        adams[0].step()

    return looped(step, in_memory(torch.randn(NUM, 2), 100), 100, 60)


# --- measures of 10,000 features --------------------------------------------------------------------------------------

FEATURES = 10_000


def features() -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    mixing = torch.randn(128, 128, generator=g) / 12
    return torch.randn(FEATURES, 128, generator=g) @ mixing, torch.randn(FEATURES, 128, generator=g) @ mixing + 0.05


def measures_ganvas() -> Block:
    from ganvas.metrics.fid import frechet_distance
    from ganvas.metrics.prdc import prdc

    real, fake = features()
    return Block(lambda: (frechet_distance(real, fake), prdc(real, fake)), FEATURES)


def measures_packages() -> Block:
    """The formula with scipy's matrix root, and the package prdc."""
    from prdc import compute_prdc
    from scipy.linalg import sqrtm

    real, fake = (f.double().numpy() for f in features())

    def run() -> None:
        a, b = np.cov(real, rowvar=False), np.cov(fake, rowvar=False)
        root = sqrtm(a @ b)
        float(((real.mean(0) - fake.mean(0)) ** 2).sum() + np.trace(a + b - 2 * np.real(root)))
        with contextlib.redirect_stdout(io.StringIO()):
            compute_prdc(real, fake, nearest_k=5)

    return Block(run, FEATURES)


# --- sampling ---------------------------------------------------------------------------------------------------------

SAMPLES = 2_000


def sampling_ganvas() -> Block:
    import ganvas

    with contextlib.redirect_stdout(io.StringIO()):
        run = ganvas.train("dcgan", data="glyphs", images=128, out=Path(tempfile.mkdtemp()) / "run", quiet=True)
    run.sample(1)
    return Block(lambda: run.sample(SAMPLES), SAMPLES)


def sampling_bare() -> Block:
    from ganvas.recipes import RECIPES
    from ganvas.training.recipe import build

    with rng.seeded(0):
        model = build(RECIPES["dcgan"], DataInfo((1, 28, 28), num_train=NUM, mean=torch.zeros(1, 28, 28)), {}).model
    generator = model.generator.eval()

    @torch.inference_mode()
    def run() -> Tensor:
        return torch.cat([generator(torch.randn(len(part), 100)) for part in torch.arange(SAMPLES).split(256)])

    return Block(run, SAMPLES)


# --- how cost grows ---------------------------------------------------------------------------------------------------


def grown(
    size: int = 32, batch: int = 64, latent: int = 32, data: int = 2_048, processes: int = 1, compile: bool = False
) -> Block:
    """The recipe vae on `data` images of `size` pixels a side, which lie in a file that is mapped into memory.

    batch: of each process. What is measured is the first process; images are those that all see.
    """
    if processes > 1:
        return among(processes, {"size": size, "batch": batch, "latent": latent, "data": data})
    return growing(size, batch, latent, data, compile=compile)


def growing(size: int, batch: int, latent: int, data: int, place: Place = ALONE, compile: bool = False) -> Block:
    from ganvas.recipes import RECIPES
    from ganvas.use.opening import seeded_build

    with tempfile.TemporaryFile() as file:
        file.truncate(data * size * size)
        mapped = np.memmap(file, np.uint8, "r+", shape=(data, 1, size, size))
    whole = pixels(size).transpose(0, 3, 1, 2)
    for start in range(0, data, NUM):
        mapped[start : start + NUM] = whole[: data - start]
    info = DataInfo((1, size, size), num_train=data, mean=torch.zeros(1, size, size))
    recipe = seeded_build(RECIPES["vae"], info, {"network": "dcgan", "width": 16, "latent": latent}, seed=0)
    split = Split(torch.from_numpy(mapped))
    steps = max(1, 1_024 * 32**2 // (batch * size**2))
    return trained(
        recipe.model, dict(recipe.optimizers), split, batch * place.world_size, steps, place, compile=compile
    )


FOLLOW = """
import contestants, json, sys, torch
from ganvas.machine.distributed import join

torch.set_num_threads(1)
block = contestants.growing(**json.loads(sys.argv[1]), place=join("cpu"))
for _ in sys.stdin:
    block.run()
"""
"""What the other processes do: a block whenever they are told to."""


def among(processes: int, work: dict[str, int]) -> Block:
    """The same in several processes, of which this is the first."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(processes)}
    command = [sys.executable, "-c", FOLLOW, json.dumps(work)]
    here = str(Path(__file__).parent)
    others = [
        subprocess.Popen(command, stdin=subprocess.PIPE, text=True, cwd=here, env={**os.environ, "RANK": str(rank)})
        for rank in range(1, processes)
    ]
    os.environ["RANK"] = "0"
    own = growing(**work, place=join("cpu"))

    def run() -> None:
        for other in others:
            assert other.stdin is not None
            other.stdin.write("\n")
            other.stdin.flush()
        own.run()

    return Block(run, own.images, counted=True)


def dense(recipe: str, compile: bool = False) -> Block:
    """A recipe on dense networks as wide as they are unless told otherwise: 28x28 images, or points for a GAN."""
    from ganvas.recipes import RECIPES
    from ganvas.use.opening import seeded_build

    points = recipe == "gan"
    x = Split(torch.randn(NUM, 2)) if points else split(28)
    info = DataInfo(tuple(x.x.shape[1:]), num_train=NUM, mean=torch.zeros(x.x.shape[1:]))
    built = seeded_build(RECIPES[recipe], info, {"network": "mlp"}, seed=0)
    return trained(built.model, dict(built.optimizers), x, 64, 40, compile=compile)


# --- what the machine can do ------------------------------------------------------------------------------------------


def gemm_torch() -> Block:
    """torch.mm of two large matrices; a thousandth of it stands for an image, so that a rate comes out a second."""
    a, b = torch.randn(2, 2048, 2048)
    return Block(lambda: a @ b, 1_000, counted=True)


def gemm_onednn() -> Block:
    """The same by oneDNN, whose operations torch cannot count."""
    a, b = torch.randn(2, 2048, 2048)
    products = Products(None, None)
    return Block(lambda: products.mm(None, a, b), 1_000)
