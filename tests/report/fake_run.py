"""A run directory as a trainer would leave it, drawn without training anything."""

import json
import math
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

SIZE = 28
FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans-Bold.ttf"
LETTERS = "ABCDEFGHKMNPQRSTUVWXYZabdefghkmnqrtuy&?%@345689"


def glyph(letter: str, angle: float = 0.0) -> np.ndarray:
    """One letter, (28, 28) in [0, 1]."""
    image = Image.new("L", (SIZE, SIZE), 0)
    font = ImageFont.truetype(str(FONT), 22)
    ImageDraw.Draw(image).text((SIZE / 2, SIZE / 2), letter, 255, font, anchor="mm")
    return np.asarray(image.rotate(angle, Image.Resampling.BILINEAR), dtype=np.float32) / 255


def blurred(picture: np.ndarray, radius: float) -> np.ndarray:
    image = Image.fromarray((picture * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(image, dtype=np.float32) / 255


def save_grid(rows: list[list[np.ndarray]], file: Path, scale: int = 3) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    padded = [np.concatenate([np.pad(p, 1, constant_values=0.25) for p in row], axis=1) for row in rows]
    grid = np.concatenate(padded, axis=0)
    image = Image.fromarray((grid * 255).clip(0, 255).astype(np.uint8))
    image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST).save(file)


def write_json(file: Path, value: object) -> None:
    file.write_text(json.dumps(value), encoding="utf-8")


def recipe(**changes: object) -> dict[str, object]:
    return {
        "recipe": "vaegan",
        "file": None,
        "summary": "VAE-GAN: an autoencoder whose reconstructions a critic judges by its own features",
        "paper": "Larsen, Sønderby, Larochelle & Winther 2016, Autoencoding beyond pixels",
        "arguments": {"latent": 64, "width": 32, "gamma": 1e-2, "spectral_norm": True},
        "data": {
            "source": "glyphs",
            "options": {"size": 28, "crop": None},
            "info": {"shape": [1, 28, 28], "classes": list(LETTERS), "train": 41_230, "held_out": 4_582},
        },
        "training": {"images": 50_000, "batch_size": 64, "seed": 0, "device": "cpu"},
        "ganvas": "0.1.0",
        "command": "ganvas train vaegan --data glyphs --out runs/vaegan-glyphs --images 50000 --batch-size 64 --seed 0",
    } | changes


def metric_lines(images: int, every: int) -> list[dict[str, object]]:
    random = np.random.default_rng(0)
    lines: list[dict[str, object]] = []
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
        line = {"images": seen, "step": seen // 64, "seconds": seen / 470, "images_per_second": 470 + 22 * noise[7]}
        lines.append(line | {"split": "train", "players": players, "gradient_norms": norms})
        if seen % (every * 10) == 0:
            held_out = {
                "encoder": {"rate": rate + 0.5, "feature_distance": 44 + 120 * math.exp(-5 * t)},
                "decoder": {"distortion": distortion + 6 + 14 * t},
            }
            lines.append({"images": seen, "split": "held_out", "players": held_out})
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
    frames = [Image.fromarray((f * 255).astype(np.uint8)).resize((168, 168)) for f in walk]
    frames[0].save(run / "samples/walk.gif", save_all=True, append_images=frames[1:], duration=120, loop=0)


def write_run(run: Path, images: int = 50_000, every: int = 640, snapshots: int = 10) -> Path:
    """A finished VAE-GAN run that was resumed once."""
    run.mkdir(parents=True, exist_ok=True)
    write_json(run / "recipe.json", recipe())
    write_json(
        run / "environment.json",
        {
            "python": "3.11.9", "torch": "2.13.0+cpu", "platform": "Linux-6.8-x86_64", "processor": "x86_64",
            "cores": 2, "threads": 2, "device": "cpu", "ganvas": "0.1.0", "started": "2026-01-05T14:03:11+00:00",
        },
    )  # fmt: skip
    networks = {"encoder": 431_232, "decoder": 612_417, "critic": 498_113}
    write_json(run / "networks.json", {name: {"parameters": count} for name, count in networks.items()})
    lines = metric_lines(images, every)
    middle = len(lines) // 2
    lines.insert(
        middle, {"images": lines[middle - 1]["images"], "event": "resumed", "message": "from the last checkpoint"}
    )
    lines += [{"images": images * k // 5, "metrics": {"fid": 90 / k + 8}} for k in range(1, 6)]
    lines.append({"images": images, "metrics": {"recall": 0.61}})
    lines.append({"images": images, "event": "finished", "message": ""})
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    write_samples(run, images, snapshots)
    return run


def write_gan_run(run: Path) -> Path:
    """A GAN run in progress: no encoder, no held-out data, a NaN, a last line half written, one snapshot."""
    run.mkdir(parents=True, exist_ok=True)
    entry = recipe(
        recipe="wgan-gp",
        command="",
        summary="A Wasserstein GAN with a gradient penalty.",
        paper="Gulrajani et al. 2017.",
    )
    write_json(run / "recipe.json", entry)
    write_json(run / "networks.json", {"generator": {"parameters": 1_812_417}, "critic": {"parameters": 498_113}})
    lines = [
        {
            "images": 640 * k, "step": 10 * k, "seconds": k * 1.1, "images_per_second": 580.0, "split": "train",
            "players": {
                "critic": {"adversarial": -4.0 / k, "gradient_penalty": math.nan if k == 7 else 0.3 / k},
                "generator": {"adversarial": 0.5 * math.sin(k), "zest": math.nan},
            },
        }
        for k in range(1, 12)
    ]  # fmt: skip
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (run / "metrics.jsonl").write_text(text + '{"images": 7680, "play', encoding="utf-8")
    save_grid([[blurred(glyph(letter), 2) for letter in "ABCD"]] * 4, run / "samples/prior-000006400.png", scale=1)
    return run
