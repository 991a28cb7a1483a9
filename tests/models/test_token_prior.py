"""A prior over tokens: causality, its two ways of computing, quantiles, and a chain of tokens learnt to its entropy."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

import ganvas
from ganvas import GanvasError, service
from ganvas.core.batch import Batch
from ganvas.machine import rng
from ganvas.metrics.evaluation import Protocol
from ganvas.models.token_prior import TokenPrior, in_nucleus
from ganvas.networks.causal import CausalTransformer
from ganvas.recipes.choices import adam
from ganvas.training.trainer import Trainer


def network(**given: int) -> CausalTransformer:
    with rng.seeded("causal"):
        return CausalTransformer(**{"num_tokens": 5, "length": 6, "width": 16, "depth": 2} | given).eval()


def test_logits_do_not_depend_on_later_tokens() -> None:
    causal, tokens = network(), torch.arange(6).remainder(5).repeat(2, 1)
    for place in range(6):
        other = tokens.clone()
        other[:, place:] = (other[:, place:] + 1) % 5
        same = (causal(tokens) - causal(other)).abs().amax((0, 2)) < 1e-5
        assert same[: place + 1].all(), "up to this place"
        assert not same[place + 1 :].any(), "and all later ones see the change"


def test_step_by_step_logits_are_those_of_the_whole() -> None:
    causal, y = network(num_classes=3), torch.tensor([2, 0])
    tokens = torch.tensor([[0, 1, 4, 4, 2, 3], [3, 3, 0, 1, 2, 4]])
    whole, h, memory = causal(tokens, y), causal.start(2, y), None
    for place in range(6):
        logits, memory = causal.step(h, place, memory)
        torch.testing.assert_close(logits, whole[:, place], rtol=1e-4, atol=1e-5)  # other sums of the same products
        h = causal.embedded(tokens[:, place])


def test_tokens_are_quantiles_of_their_distribution() -> None:
    model = TokenPrior(network(), (2, 3))
    p = torch.tensor([[0.1, 0.2, 0.4, 0.3]])
    for quantile, token in ((0.05, 0), (0.15, 1), (0.29, 1), (0.5, 2), (0.75, 3), (1.0, 3)):
        assert int(model.chosen(p.log(), torch.tensor([quantile]))) == token
    model.sampling(temperature=1e-3)
    assert int(model.chosen(p.log(), torch.tensor([0.01]))) == 2, "cold is the most likely"
    model.sampling(truncation=0.6)
    found = {int(model.chosen(p.log(), torch.tensor([q]))) for q in np.linspace(0.01, 0.99, 99)}
    assert found == {2, 3}
    torch.testing.assert_close(in_nucleus(p, 0.6), torch.tensor([[0.0, 0.0, 0.4, 0.3]]))
    torch.testing.assert_close(in_nucleus(p, 1.0), p)
    for wrong in ({"temperature": 0.0}, {"truncation": 0.0}, {"truncation": 1.5}):
        with pytest.raises(GanvasError, match="not possible"):
            model.sampling(**wrong)


@pytest.mark.trains
def test_a_chain_of_tokens_is_learnt_to_its_entropy_and_sampled() -> None:
    """t_0 is uniform of 4; then t_i is t_{i-1} + 1 with probability 0.9, else t_{i-1}: entropy log 4 + 3 H(0.9)."""
    with rng.seeded("chain"):
        model = TokenPrior(CausalTransformer(4, 4, 32, 2), (2, 2))
    trainer = Trainer(model, {"prior": adam(3e-3, 0.9, 0.99)}, seed=0)

    def chain(num: int, g: torch.Generator) -> torch.Tensor:
        steps = (torch.rand(num, 3, generator=g) < 0.9).long()
        first = torch.randint(4, (num, 1), generator=g)
        return torch.cat([first, first + steps.cumsum(1)], 1).remainder(4).view(num, 2, 2)

    g = rng.generator(0)
    for _ in range(400):
        trainer.step(Batch(chain(128, g)))
    model.eval()
    with torch.no_grad(), rng.seeded("draw"):
        nll = float(model.loss(model(Batch(chain(4_000, g))))["nll"])
        entropy = math.log(4) - 3 * (0.9 * math.log(0.9) + 0.1 * math.log(0.1))
        assert nll == pytest.approx(entropy, abs=0.1), "0.1 nats are 5 standard errors and what is still to be learnt"
        drawn = model.sample(4_000).flatten(1)
    moves = (drawn[:, 1:] - drawn[:, :-1]).remainder(4)
    assert float((moves == 1).float().mean()) == pytest.approx(0.9, abs=0.04)
    assert float((moves <= 1).float().mean()) > 0.98
    assert torch.bincount(drawn[:, 0], minlength=4).min() > 700, "of 1,000 each"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A VQ-VAE of digits, and a prior over its tokens."""
    place = tmp_path_factory.mktemp("prior")
    small = {"data": "digits", "images": 256, "batch_size": 32, "quiet": True}
    ganvas.train("vq-vae", out=place / "vq", width=8, codes=16, code_size=4, **small)
    ganvas.train("code-prior", out=place / "prior", width=16, depth=1, **small | {"data": f"codes:{place / 'vq'}"})
    return place


@pytest.mark.trains
def test_a_prior_samples_pictures_is_scored_in_pixels_and_compared(runs: Path, tmp_path: Path) -> None:
    run = ganvas.open(runs / "prior")
    assert run.sample(5).shape == (5, 1, 8, 8)
    assert torch.equal(run.sample(5, seed=1), run.sample(5, seed=1))
    assert not torch.equal(run.sample(5), run.sample(5, temperature=0.1))
    assert service.sample(run, tmp_path / "grid.png", num=4).exists()
    protocol = Protocol(("swd",), num=128)
    (row, *_) = service.evaluate(run, protocol=protocol)
    (first, *_) = service.evaluate(ganvas.open(runs / "vq"), protocol=protocol)
    assert row.floor == first.floor, "real data are the pictures, not the tokens"
    page = service.compare([run, ganvas.open(runs / "vq")], tmp_path / "page", data="digits", protocol=protocol)
    assert page.exists()


@pytest.mark.trains
def test_a_prior_goes_on_bit_for_bit(runs: Path, tmp_path: Path) -> None:
    small = {"data": f"codes:{runs / 'vq'}", "width": 16, "depth": 1, "batch_size": 32, "quiet": True}
    whole = ganvas.train("code-prior", out=tmp_path / "whole", images=192, **small)
    ganvas.train("code-prior", out=tmp_path / "parts", images=96, **small)
    parts = ganvas.train(resume=tmp_path / "parts", images=192, quiet=True)
    for a, b in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.trains
def test_an_exported_prior_makes_the_same_pictures(runs: Path, tmp_path: Path) -> None:
    run = ganvas.open(runs / "prior")
    service.export(run, "hub-folder", tmp_path / "hub")
    assert torch.equal(ganvas.open(tmp_path / "hub").sample(3), run.sample(3))
    service.export(run, "torch", tmp_path / "programs")
    program = torch.export.load(tmp_path / "programs" / "generator.pt2").module()
    z, y = torch.randn(6, *run.info.shape, generator=rng.generator(0)), torch.arange(6)
    # A token changes if rounding moves its quantile over a border, which is rare; then its picture is another.
    same = (program(z, y) - run.generate(z, y)).abs().amax((1, 2, 3)) < 1e-3
    assert same.float().mean() > 0.6
