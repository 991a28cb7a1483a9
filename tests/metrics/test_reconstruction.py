import math

import pytest
import torch

from ganvas.errors import GanvasError
from ganvas.metrics import reconstruction
from ganvas.metrics.features import ModuleFeatures


def images(num=3, side=16, seed=0):
    return torch.rand(num, 1, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_mse_and_psnr_of_a_known_error():
    x = torch.zeros(2, 3, 4, 4)
    y = torch.stack([torch.full((3, 4, 4), 0.2), torch.full((3, 4, 4), -0.02)])
    torch.testing.assert_close(reconstruction.mean_squared_error(x, y), torch.tensor([0.04, 0.0004]).double())
    torch.testing.assert_close(reconstruction.peak_signal_noise_ratio(x, y), torch.tensor([20.0, 40.0]).double())
    assert reconstruction.peak_signal_noise_ratio(x, x).tolist() == [math.inf, math.inf]


def test_ssim_of_flat_images_is_its_luminance_term():
    """Flat images have no contrast: (2 a b + c₁) / (a² + b² + c₁), c₁ = 0.01², in units of [0, 1]."""
    x, y = torch.full((1, 1, 16, 16), 0.0), torch.full((1, 1, 16, 16), 0.5)  # 0.5 and 0.75 of [0, 1]
    expected = (2 * 0.5 * 0.75 + 1e-4) / (0.5**2 + 0.75**2 + 1e-4)
    assert reconstruction.structural_similarity(x, y).item() == pytest.approx(expected, rel=1e-4)


def test_ssim_is_of_each_image():
    x = images()
    y = x.clone()
    y[1] = -y[1]
    found = reconstruction.structural_similarity(x, y)
    assert found[0].item() == pytest.approx(1) and found[2].item() == pytest.approx(1)
    assert found[1] < 0


def test_small_images_have_no_ssim():
    with pytest.raises(GanvasError, match="at least 11 pixels a side"):
        reconstruction.structural_similarity(images(side=10), images(side=10))
    with pytest.raises(GanvasError, match="at least 176 pixels a side"):
        reconstruction.multiscale_structural_similarity(images(side=175), images(side=175))


def test_multiscale_ssim_at_its_smallest_size():
    x = images(2, 176)
    y = torch.stack([x[0], -x[1]])
    found = reconstruction.multiscale_structural_similarity(x, y)
    assert found[0].item() == pytest.approx(1)
    assert found[1] < 0.5


def test_perceptual_distance_reads_features():
    network = ModuleFeatures(torch.nn.AdaptiveAvgPool2d(1), "mean brightness")
    x = images()
    found = reconstruction.perceptual_distance(network, x, torch.stack([x[0], x[1].flip(2), x[2] + 0.5]))
    torch.testing.assert_close(found, torch.tensor([0, 0, 0.25]).double(), atol=1e-6, rtol=1e-5)
