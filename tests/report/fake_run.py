"""A run directory as training leaves it, by the same writers, without training anything."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from ganvas.data import DataInfo, ImageOptions
from ganvas.data.domains.pictures import save_picture
from ganvas.recipes.gan import wgan_gp
from ganvas.recipes.vaegan import vaegan
from ganvas.runs.directory import Directory
from ganvas.runs.log import Event, HeldOut, Line, Log, Measured, Trained
from ganvas.runs.settings import Settings, Training
from ganvas.training.recipe import RecipeFunction, build

SIZE = 28
FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans-Bold.ttf"
LETTERS = "ABCDEFGHKMNPQRSTUVWXYZabdefghkmnqrtuy&?%@345689"
INFO = DataInfo(shape=(1, SIZE, SIZE), classes=tuple(LETTERS), num_train=41_230)


def glyph(letter: str, angle: float = 0.0) -> np.ndarray:
    """One letter, (28, 28) in [0, 1]."""
    image = Image.new("L", (SIZE, SIZE), 0)
    font = ImageFont.truetype(str(FONT), 22)
    ImageDraw.Draw(image).text((SIZE / 2, SIZE / 2), letter, 255, font, anchor="mm")
    return np.asarray(image.rotate(angle, Image.Resampling.BILINEAR), dtype=np.float32) / 255


def blurred(picture: np.ndarray, radius: float) -> np.ndarray:
    image = Image.fromarray((picture * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(image, dtype=np.float32) / 255


def save_grid(rows: list[list[np.ndarray]], file: Path) -> None:
    """Pictures in rows of equal length, written as a run writes its own."""
    file.parent.mkdir(parents=True, exist_ok=True)
    x = torch.from_numpy(np.stack([picture for row in rows for picture in row])).float().unsqueeze(1) * 2 - 1
    save_picture(x, file, INFO, columns=len(rows[0]))


def write_json(file: Path, value: object) -> None:
    file.write_text(json.dumps(value), encoding="utf-8")


def settings(**changes: Any) -> Settings:
    """What a finished VAE-GAN run was asked to do."""
    asked = Settings(
        recipe="vaegan",
        file=None,
        summary="VAE-GAN: an autoencoder whose reconstructions a critic judges by its own features",
        paper="Larsen, Sønderby, Larochelle & Winther 2016, Autoencoding beyond pixels",
        arguments={"latent": 8, "width": 4, "gamma": 1e-2, "spectral_norm": True},
        source="glyphs",
        options=ImageOptions(size=28),
        info=INFO,
        training=Training(images=50_000, batch_size=64),
        command="ganvas train vaegan --data glyphs --out runs/vaegan-glyphs --images 50000 --batch-size 64 --seed 0",
    )
    return replace(asked, **changes)


def recipe(**changes: object) -> dict[str, object]:
    """The same as recipe.json holds it, with entries changed as only a stranger would."""
    return settings().to_json() | changes


def metric_lines(images: int, every: int) -> list[Line]:
    random = np.random.default_rng(0)
    lines: list[Line] = []
    for seen in range(every, images + 1, every):
        t, noise = seen / images, random.normal(size=8)
        distortion = 95 + 430 * math.exp(-14 * t) + 2 * noise[0]
        rate = 18 * (1 - math.exp(-6 * t)) + 0.4 * noise[1]
        players = {
            "encoder": {"rate": rate, "feature_distance": 40 + 120 * math.exp(-5 * t) + 3 * noise[2]},
            "decoder": {"distortion": distortion, "adversarial": 0.9 + 0.9 * t + 0.15 * noise[3]},
            "critic": {"adversarial": 1.3 - 0.35 * t + 0.06 * noise[4], "gradient_penalty": 0.02 * math.exp(noise[5])},
        }
        norms = {
            "encoder": 4 * math.exp(-2 * t + 0.2 * noise[5]),
            "decoder": 2.1,
            "critic": 0.3 * math.exp(0.3 * noise[6]),
        }
        clock: dict[str, Any] = {"images": seen, "step": seen // 64, "seconds": seen / 470}
        speed = 470 + 22 * noise[7]
        lines.append(Trained(**clock, players=players, gradient_norms=norms, images_per_second=speed))
        if seen % (every * 10) == 0:
            held_out = {
                "encoder": {"rate": rate + 0.5, "feature_distance": 44 + 120 * math.exp(-5 * t)},
                "decoder": {"distortion": distortion + 6 + 14 * t},
            }
            lines.append(HeldOut(**clock, players=held_out))
    return lines


def write_samples(run: Path, images: int, num: int) -> None:
    random = np.random.default_rng(1)
    choice, angles = random.choice(list(LETTERS), 64), random.uniform(-12, 12, 64)
    for k in range(1, num + 1):
        t, seen = k / num, images * k // num
        blur, noise = 4.5 * (1 - t) + 0.3, 0.45 * (1 - t) ** 2
        drawn = [
            (blurred(glyph(letter, angle), blur) + noise * random.normal(size=(SIZE, SIZE))).clip(0, 1)
            for letter, angle in zip(choice, angles, strict=True)
        ]
        save_grid([drawn[i : i + 8] for i in range(0, 64, 8)], run / f"samples/prior-{seen:09d}.png")
        pairs: list[list[np.ndarray]] = []
        for row in range(3):
            originals = [
                glyph(letter, angle) for letter, angle in zip(choice[row * 10 :][:10], angles[row * 10 :], strict=False)
            ]
            pairs += [originals, [blurred(picture, blur / 2) for picture in originals]]
        save_grid(pairs, run / f"samples/reconstruction-{seen:09d}.png")
        start, end = glyph("R"), glyph("g")
        walk = [blurred((1 - s) * start + s * end, 0.6 + blur / 3) for s in np.linspace(0, 1, 12)]
        save_grid([walk], run / f"samples/walk-{seen:09d}.png")


def begun(run: Path, asked: Settings, model: RecipeFunction) -> Log:
    """The files that a run has before its first step. Returns its log."""
    directory = Directory(run)
    directory.create(asked, build(model, asked.info, {"latent": 8, "width": 4}))
    return directory.log


def write_run(run: Path, images: int = 50_000, every: int = 640, snapshots: int = 10) -> Path:
    """A finished VAE-GAN run that went back to a checkpoint once."""
    log = begun(run, settings(), vaegan)
    lines = metric_lines(images, every)
    middle = lines[len(lines) // 2 - 1].images
    lines.insert(len(lines) // 2, Event(images=middle, event="rewound", message="rewind 1 of at most 3"))
    protocol = {"num": 2_000, "features": "lenet", "split": "held-out"}
    lines += [Measured(images=images * k // 5, metrics={"fid": 90 / k + 8}, protocol=protocol) for k in range(1, 6)]
    lines.append(Measured(images=images, metrics={"recall": 0.61}, protocol=protocol))
    lines.append(Event(images=images, event="finished", partial=True))
    for line in lines:
        log.append(line)
    write_samples(run, images, snapshots)
    return run


def write_gan_run(run: Path) -> Path:
    """A GAN run in progress: no encoder, a NaN, a last line half written, one snapshot; its environment.json is lost."""
    asked = settings(
        recipe="wgan-gp", command="", summary="A Wasserstein GAN with a gradient penalty.", paper="Gulrajani"
    )
    log = begun(run, asked, wgan_gp)
    (run / "environment.json").unlink()
    for k in range(1, 12):
        players = {
            "critic": {"adversarial": -4.0 / k, "gradient_penalty": math.nan if k == 7 else 0.3 / k},
            "generator": {"adversarial": 0.5 * math.sin(k), "zest": math.nan},
        }
        log.append(Trained(images=640 * k, step=10 * k, seconds=k * 1.1, images_per_second=580.0, players=players))
    with log.file.open("a") as file:
        file.write('{"images": 7680, "play')
    save_grid([[blurred(glyph(letter), 2) for letter in "ABCD"]] * 4, run / "samples/prior-000006400.png")
    return run
