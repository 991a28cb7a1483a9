import math

import numpy as np
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


def published_ssim(a, b):
    """Wang et al. 2004, eq. 13, window by window, of two images (H, W) in [0, 1]."""
    line = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2
    values = []
    for top in range(a.shape[0] - 10):
        for left in range(a.shape[1] - 10):
            p, q = (image[top : top + 11, left : left + 11] for image in (a, b))
            m, n = (window * p).sum(), (window * q).sum()
            v, w = (window * (p - m) ** 2).sum(), (window * (q - n) ** 2).sum()
            covariance = (window * (p - m) * (q - n)).sum()
            c, d = 0.01**2, 0.03**2
            values.append((2 * m * n + c) * (2 * covariance + d) / ((m * m + n * n + c) * (v + w + d)))
    return np.mean(values)


@pytest.mark.parametrize("size", [(11, 11), (13, 17), (28, 28)])
def test_ssim_is_the_published_one(size):
    """Over windows inside the image: at 28x28 a mean over a padded border is off by a tenth and more."""
    draw = np.random.default_rng(0)
    picture = np.zeros(size)
    picture[3:8, 3:9] = 1
    noisy = (picture + 0.3 * draw.normal(size=size)).clip(0, 1)
    x, y = (torch.tensor(image)[None, None] * 2 - 1 for image in (picture, noisy))
    assert reconstruction.structural_similarity(x, y).item() == pytest.approx(published_ssim(picture, noisy), rel=1e-6)


def test_ssim_of_colour_is_the_mean_of_channels():
    x, y = images(2, 16), images(2, 16, seed=1)
    each = reconstruction.structural_similarity(torch.cat([x, y]), torch.cat([y, y]))
    both = reconstruction.structural_similarity(torch.cat([x, y], 1), torch.cat([y, y], 1))
    torch.testing.assert_close(both, (each[:2] + each[2:]) / 2)


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
