import copy
import socket

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from ganvas.nn.quantize import EMAQuantizer, GradientQuantizer, k_means, nearest

CLUSTERS = torch.tensor([[4.0, 0.0], [-4.0, 0.0], [0.0, 4.0], [0.0, -4.0]])


def clustered(num: int, noise: float = 0.1) -> torch.Tensor:
    return CLUSTERS[torch.arange(num) % 4] + noise * torch.randn(num, 2)


def started(quantizer, codebook: torch.Tensor, usage: float = 1.0):
    """The quantiser as if it had been started at `codebook`."""
    with torch.no_grad():
        quantizer.codebook.copy_(codebook)
    quantizer.usage.fill_(usage)
    if isinstance(quantizer, EMAQuantizer):
        quantizer.sums.copy_(codebook * usage)
    quantizer.initialised.fill_(True)
    return quantizer


def learn(quantizer, z: torch.Tensor):
    """One step of training."""
    out = quantizer(z)
    quantizer.follow(out)
    return out


def test_nearest_is_nearest():
    flat, codebook = torch.randn(50, 6), torch.randn(9, 6)
    distances = torch.cdist(flat.double(), codebook.double())
    found = distances.gather(1, nearest(flat, codebook)[:, None]).squeeze(1)
    torch.testing.assert_close(
        found, distances.min(1).values, rtol=1e-5, atol=0
    )  # rounding may choose between two as near


@pytest.mark.parametrize("kind", [EMAQuantizer, GradientQuantizer])
def test_shapes_of_vectors_and_maps(kind):
    quantizer = kind(8, 6).eval()
    for shape in [(5, 6), (5, 6, 3, 4)]:
        z_e = torch.randn(shape)
        out = quantizer(z_e)
        assert out.z.shape == shape
        assert out.indices.shape == (5, *shape[2:])
        assert out.commitment.shape == out.codebook.shape == (5,)
        assert torch.allclose(out.z, quantizer.codes(out.indices), atol=1e-6)
        assert out.counts.sum() == out.indices.numel()
        assert torch.allclose(out.commitment, (z_e - out.z).square().flatten(1).sum(1), atol=1e-4)


def test_ema_follows_the_closed_form():
    torch.manual_seed(0)
    quantizer = started(EMAQuantizer(4, 2, decay=0.9, revive_below=0.0), CLUSTERS, usage=5.0)
    n, m = torch.full((4,), 5.0), CLUSTERS * 5
    for _ in range(3):
        z = clustered(20)
        learn(quantizer, z)
        n = 0.9 * n + 0.1 * 5
        m = 0.9 * m + 0.1 * z.detach().reshape(5, 4, 2).sum(0)
        assert torch.allclose(quantizer.usage, n)
        assert torch.allclose(quantizer.sums, m, atol=1e-5)
        assert torch.allclose(quantizer.codebook, m / n[:, None], atol=1e-5)


def test_gradients_are_straight_through_and_each_term_moves_its_own_side():
    quantizer = started(GradientQuantizer(4, 2, revive_below=0.0), CLUSTERS)
    z_e = clustered(8).requires_grad_()
    before = z_e.detach().clone()
    out = quantizer(z_e)
    weight = torch.randn(8, 2)
    (gradient,) = torch.autograd.grad((out.z * weight).sum(), z_e, retain_graph=True)
    assert torch.equal(gradient, weight)
    e = CLUSTERS[out.indices]
    (gradient,) = torch.autograd.grad(out.commitment.sum(), z_e, retain_graph=True)
    assert torch.allclose(gradient, 2 * (before - e))
    assert torch.autograd.grad(out.commitment.sum(), quantizer.codebook, retain_graph=True, allow_unused=True) == (
        None,
    )
    assert torch.autograd.grad(out.z.sum(), quantizer.codebook, retain_graph=True, allow_unused=True) == (None,)
    assert torch.autograd.grad(out.codebook.sum(), z_e, retain_graph=True, allow_unused=True) == (None,)
    (gradient,) = torch.autograd.grad(out.codebook.sum(), quantizer.codebook)
    expected = torch.zeros(4, 2).index_add_(0, out.indices, 2 * (e - before))
    assert torch.allclose(gradient, expected, atol=1e-5)


def test_an_averaged_codebook_has_no_term_and_no_parameters():
    quantizer = EMAQuantizer(4, 2)
    out = quantizer(clustered(8).requires_grad_())
    assert not out.codebook.any() and not out.codebook.requires_grad
    assert not list(quantizer.parameters())


@pytest.mark.parametrize("kind", [EMAQuantizer, GradientQuantizer])
def test_the_first_batch_starts_the_codebook_by_k_means(kind):
    torch.manual_seed(1)
    quantizer = kind(4, 2)
    z = clustered(400)
    learn(quantizer, z)
    assert quantizer.initialised
    distance = torch.cdist(CLUSTERS, quantizer.codebook)
    assert distance.min(dim=1).values.max() < 0.1
    assert sorted(distance.argmin(dim=1).tolist()) == [0, 1, 2, 3]
    assert quantizer(z).perplexity.item() == pytest.approx(4, abs=1e-3)
    assert quantizer.usage.sum().item() == pytest.approx(400, rel=0.05)


def test_k_means_is_a_fixed_point_and_copes_with_few_rows():
    torch.manual_seed(0)
    rows = clustered(60, noise=0.5)
    centres, counts = k_means(rows, 4, rounds=20)
    indices = nearest(rows, centres)
    for k in range(4):
        assert torch.allclose(centres[k], rows[indices == k].mean(0), atol=1e-5)
        assert counts[k] == (indices == k).sum()
    centres, _ = k_means(rows[:2], 5)
    assert centres.shape == (5, 2) and torch.isfinite(centres).all()


@pytest.mark.parametrize("kind", [EMAQuantizer, GradientQuantizer])
def test_a_dead_entry_is_put_on_an_encoder_output(kind):
    torch.manual_seed(0)
    far = torch.cat([CLUSTERS, torch.full((1, 2), 100.0)])
    quantizer = started(kind(5, 2, decay=0.5, revive_below=0.2), far, usage=4.0)
    z = clustered(20)
    learn(quantizer, z)
    assert quantizer.codebook[4].tolist() == [100, 100], "2 uses of 4 expected ones are not dead yet"
    learn(quantizer, z)
    assert quantizer.codebook[4].tolist() == [100, 100]
    learn(quantizer, z)  # 0.5 of 4 expected uses < 0.2
    assert torch.cdist(quantizer.codebook[4:], z).min() < 1e-5
    assert quantizer.usage[4] == 4
    assert torch.cdist(quantizer.codebook[:4], CLUSTERS).min(dim=1).values.max() < 0.2


@pytest.mark.parametrize("kind", [EMAQuantizer, GradientQuantizer])
def test_forward_changes_nothing(kind):
    for initialised in (False, True):
        quantizer = kind(4, 2)
        if initialised:
            started(quantizer, CLUSTERS)
        before = copy.deepcopy(quantizer.state_dict())
        quantizer(clustered(8).requires_grad_())
        after = quantizer.state_dict()
        assert all(torch.equal(before[name], after[name]) for name in before)


def test_perplexity_counts_entries_in_equal_use():
    quantizer = started(EMAQuantizer(4, 2), CLUSTERS).eval()
    assert quantizer(CLUSTERS[:2]).perplexity.item() == pytest.approx(2)
    assert quantizer(CLUSTERS[[1, 1, 1]]).perplexity.item() == pytest.approx(1)


def test_half_precision_outside_float32_inside():
    quantizer = started(EMAQuantizer(4, 2), CLUSTERS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = quantizer(clustered(8).bfloat16().requires_grad_())
    assert out.z.dtype == torch.bfloat16
    assert out.commitment.dtype == quantizer.codebook.dtype == torch.float32


def test_a_state_that_is_loaded_continues():
    quantizer = EMAQuantizer(4, 2)
    learn(quantizer, clustered(40))
    other = EMAQuantizer(4, 2)
    other.load_state_dict(quantizer.state_dict())
    z = clustered(8)
    for q in (quantizer, other):
        torch.manual_seed(3)
        learn(q, z)
    assert torch.equal(other.codebook, quantizer.codebook)


def _begun_and_followed(z: torch.Tensor) -> EMAQuantizer:
    """Started by k-means, and then with an entry that nothing is near to, which is revived."""
    quantizer = EMAQuantizer(4, 2, decay=0.5, revive_below=0.3)
    learn(quantizer, z)
    with torch.no_grad():
        quantizer.codebook[2] = 100.0
    for _ in range(3):
        learn(quantizer, z)
    return quantizer


def _in_one_process(rank: int, port: int, z: torch.Tensor, path: str) -> None:
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    try:
        torch.manual_seed(rank)  # unlike noise must not part the processes
        fresh = EMAQuantizer(6, 2, decay=0.5, revive_below=0.5)
        for _ in range(3):
            learn(fresh, z[rank::2])
        torch.save(fresh.state_dict(), f"{path}/unlike-{rank}.pt")
        torch.manual_seed(7)
        torch.save(_begun_and_followed(z.chunk(2)[rank]).state_dict(), f"{path}/alike-{rank}.pt")
    finally:
        dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_agree_and_learn_as_one(tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    z = clustered(20)[torch.randperm(20)]
    mp.spawn(_in_one_process, args=(port, z, str(tmp_path)), nprocs=2)
    for noise in ("unlike", "alike"):
        a, b = (torch.load(tmp_path / f"{noise}-{rank}.pt") for rank in range(2))
        assert all(torch.equal(a[name], b[name]) for name in a)
    torch.manual_seed(7)
    alone = _begun_and_followed(z).state_dict()
    together = torch.load(tmp_path / "alike-1.pt")
    assert alone["codebook"].abs().max() < 10, "the entry far away should have been revived"
    for name in alone:
        torch.testing.assert_close(together[name], alone[name])


def test_the_tally_counts_what_was_used_in_training_until_it_begins_anew() -> None:
    quantizer = started(EMAQuantizer(4, 2, revive_below=0.5), CLUSTERS)
    first, second = CLUSTERS[[0, 0, 0]], CLUSTERS[[1]]
    for z in (first, second):
        learn(quantizer, z)
    facts = quantizer.tallied()
    assert float(facts["codebook_use"]) == 0.5, "revived entries have averaged use, and were not used"
    p = torch.tensor([0.75, 0.25])
    torch.testing.assert_close(facts["codebook_perplexity"], (-(p * p.log()).sum()).exp())
    quantizer.eval()(CLUSTERS.clone().requires_grad_())
    with torch.no_grad():
        quantizer.train()(CLUSTERS)
    assert quantizer.tally.sum() == 4, "looking is not training"
    quantizer.tally_anew()
    assert quantizer.tally.sum() == 0
