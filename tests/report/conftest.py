from pathlib import Path

import fake_run
import pytest


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A finished VAE-GAN run that was resumed once."""
    return fake_run.write_run(tmp_path / "vaegan", snapshots=4)


@pytest.fixture
def in_progress(tmp_path: Path) -> Path:
    """A GAN run in progress, with a NaN and a last line half written."""
    return fake_run.write_gan_run(tmp_path / "gan")
