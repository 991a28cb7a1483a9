import math

import pytest
import torch
from parts import D, L, Told, batch, code_critic, decoder, encoder, losses, reaches
from torch.nn import functional as F

from ganvas.data import DataInfo
from ganvas.errors import GanvasError
from ganvas.losses.adversarial import Relativistic
from ganvas.losses.penalties import R1
from ganvas.machine import rng
from ganvas.models.aae import AAE
from ganvas.models.aae_semi import SemiSupervisedAAE
from ganvas.networks import ClassifyingEncoder, Mlp
from ganvas.probability.priors import Normal
from ganvas.recipes.aae import aae, aae_semi
from ganvas.training.recipe import build
from ganvas.training.trainer import Trainer

K = 4


def model(critic=None) -> AAE:
    return AAE(encoder(), decoder(), critic or code_critic(), Normal(L))


def semi(class_critic=None, style_critic=None) -> SemiSupervisedAAE:
    return SemiSupervisedAAE(
        ClassifyingEncoder(Mlp(width=16, depth=1).analysis((D,)), K, L),
        decoder(K + L),
        class_critic or code_critic(K),
        style_critic or code_critic(L),
        Normal(L),
        K,
    )


def test_r1_is_paid_on_the_priors_codes() -> None:
    m = AAE(encoder(), decoder(), code_critic(), Normal(L), penalties=[R1(3.0)])
    r = m(batch())
    (lazy,) = m.players()[1].lazy
    z = r.z_prior.clone().requires_grad_()
    (slope,) = torch.autograd.grad(m.critic(z).sum(), z)
    torch.testing.assert_close(lazy.penalty(r)["R1"], 1.5 * slope.square().sum(1).mean())


def test_losses_are_those_of_the_paper() -> None:
    prior_score, code_score = 0.7, -0.4
    m = model(Told(prior_score, code_score))
    b = batch()
    r = m(b)
    sigma = torch.sigmoid
    critic = -sigma(torch.tensor(prior_score)).log() - (1 - sigma(torch.tensor(code_score))).log()
    torch.testing.assert_close(m.critic_loss(r)["adversarial"], critic)
    m.critic = Told(code_score)
    torch.testing.assert_close(m.encoder_loss(r)["adversarial"], -sigma(torch.tensor(code_score)).log())
    x_hat = m.decoder(r.z).mean
    squares = (b.x - x_hat).square().sum(1) / (2 * 0.25)  # scale 0.5
    expected = (squares + D * math.log(0.5 * math.sqrt(2 * math.pi))).mean()
    torch.testing.assert_close(m.reconstruction_loss(r)["distortion"], expected)


def test_the_encoder_moves_in_both_phases_and_the_decoder_in_one() -> None:
    m = model()
    found = losses(m, batch())
    assert reaches(found["autoencoder"], m.encoder) and reaches(found["autoencoder"], m.decoder)
    assert reaches(found["encoder"], m.encoder) and not reaches(found["encoder"], m.decoder)
    assert [p.moves for p in m.players() if p.name == "encoder"] == [[m.encoder]]


def test_fooling_raises_the_critics_score_of_codes() -> None:
    m = model()
    b = batch(64)
    optimizer = torch.optim.SGD(m.encoder.parameters(), 0.5)
    before = losses(m, b)["encoder"]["adversarial"].item()
    optimizer.zero_grad()
    losses(m, b)["encoder"]["adversarial"].backward()
    optimizer.step()
    assert losses(m, b)["encoder"]["adversarial"].item() < before


def test_a_paired_loss_sees_the_prior_too() -> None:
    m = AAE(encoder(), decoder(), Told(0.3, -0.5), Normal(L), Relativistic())
    torch.testing.assert_close(m.encoder_loss(m(batch()))["adversarial"], F.softplus(torch.tensor(0.8)))


@pytest.mark.trains
def test_codes_come_to_look_like_the_prior() -> None:
    info = DataInfo(shape=(2,), num_train=512)
    with rng.seeded("aae"):
        recipe = build(aae, info, {"latent": 2, "width": 32, "adversarial_learning_rate": 2e-3})
    trainer = Trainer(recipe.model, recipe.optimizers)
    x = torch.randn(4096, 2, generator=rng.generator("data")) * 0.1 + torch.tensor([3.0, -2.0])

    def distance() -> float:
        with torch.no_grad():
            z = trainer.model.encode(x).rsample()
        return float(z.mean(0).norm() + (z.std(0) - 1).norm())

    before = distance()
    for rows in torch.arange(4096).split(64) * 5:
        trainer.step(batch().replace(x=x[rows]))
    assert distance() < 0.5 * before


def test_a_semi_supervised_code_is_a_class_and_a_style() -> None:
    m = semi()
    b = batch()
    q = m.encode(b.x)
    logits, style = m.encoder(b.x)
    torch.testing.assert_close(q.mean, torch.cat([logits.softmax(1), style.mean], 1))
    assert q.stddev.shape == (8, K + L) and (q.stddev[:, :K] == 0).all()
    z = q.rsample((3,))
    assert z.shape == (3, 8, K + L)
    torch.testing.assert_close(z[1, :, :K], logits.softmax(1))


def test_the_class_prior_is_one_hot_and_uniform() -> None:
    with rng.seeded(1):
        z = semi().prior().sample((20_000,))
    c = z[:, :K]
    assert ((c == 0) | (c == 1)).all() and (c.sum(1) == 1).all()
    torch.testing.assert_close(c.mean(0), torch.full((K,), 1 / K), atol=0.02, rtol=0)
    torch.testing.assert_close(z[:, K:].std(0), torch.ones(L), atol=0.03, rtol=0)


def test_the_label_loss_is_the_cross_entropy_of_the_labelled_alone() -> None:
    m = semi()
    y = torch.tensor([2, -1, 0, -1, -1, 3, -1, -1])
    r = m(batch(8, y))
    known = y >= 0
    torch.testing.assert_close(m.label_loss(r)["label"], F.cross_entropy(r.logits[known], y[known]))
    nobody = m(batch(8, torch.full((8,), -1)))
    assert m.label_loss(nobody)["label"].item() == 0.0
    assert m.label_loss(m(batch(8)))["label"].item() == 0.0
    assert not reaches(m.label_loss(nobody), m.encoder)


def test_labels_reach_the_classifier_and_nothing_else() -> None:
    m = semi()
    b = batch(8)
    told = losses(m, b.replace(y=torch.tensor([0, 1, 2, 3, 0, 1, 2, 3])))
    untold = losses(m, b.replace(y=torch.full((8,), -1)))
    for name in ("autoencoder", "class critic", "style critic", "encoder"):
        for term, value in told[name].items():
            assert torch.equal(value, untold[name][term]), (name, term)
    assert told["classifier"]["label"].detach().item() > 0


def test_noise_is_on_what_the_encoder_sees_in_training_and_nowhere_else() -> None:
    m, b = semi(), batch(8)
    clean = m.encoder(b.x)[0]
    m.noise = 0.5
    r = m(b)
    assert torch.equal(r.x, b.x), "what is decoded is compared with the example itself"
    assert not torch.allclose(r.logits, clean)
    m.eval()
    torch.testing.assert_close(m(b).logits, clean)
    torch.testing.assert_close(m.classify(b.x), clean)


def test_each_critic_sees_its_own_part() -> None:
    m = semi(Told(1.0, 1.0), Told(-1.0, -1.0))
    r = m(batch())
    torch.testing.assert_close(
        m.class_critic_loss(r)["class adversarial"], F.softplus(torch.tensor(-1.0)) + F.softplus(torch.tensor(1.0))
    )
    terms = m.encoder_loss(r)
    torch.testing.assert_close(terms["class adversarial"], F.softplus(torch.tensor(-1.0)))
    torch.testing.assert_close(terms["style adversarial"], F.softplus(torch.tensor(1.0)))


def test_a_told_class_replaces_the_codes_own_where_it_is_known() -> None:
    m = semi()
    with rng.seeded(3):
        z = m.prior().sample((3,))
    y = torch.tensor([1, -1, 2])
    direct = z.clone()
    direct[0, :K], direct[2, :K] = F.one_hot(y[0], K).float(), F.one_hot(y[2], K).float()
    torch.testing.assert_close(m.generate(z, y), m.decoder(direct).mean)
    torch.testing.assert_close(m.generate(z), m.decoder(z).mean)
    with pytest.raises(GanvasError, match="no class 4"):
        m.generate(z, torch.tensor([0, 1, 4]))


def test_the_semi_supervised_recipe_needs_classes() -> None:
    with pytest.raises(GanvasError, match="labels"):
        build(aae_semi, DataInfo(shape=(2,), num_train=10), {})
    recipe = build(aae_semi, DataInfo(shape=(2,), classes=("a", "b"), num_train=10), {})
    assert recipe.num_classes == 2
