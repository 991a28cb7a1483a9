"""One picture of any kind."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganvas.data import ImageOptions, Split, read_image
from ganvas.data.domains.image_files import adapt, decode, measure
from ganvas.errors import GanvasError

RED = (255, 0, 0)


def stored(image: Image.Image, kind: str = "PNG", **options: object) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, kind, **options)
    file.seek(0)
    return file


def pixels(image: Image.Image, kind: str = "PNG", options: ImageOptions | None = None, **save: object) -> np.ndarray:
    return decode(stored(image, kind, **save), options or ImageOptions())


def half_transparent() -> Image.Image:
    """Opaque red on the left, black that cannot be seen on the right."""
    image = Image.new("RGBA", (4, 4), (*RED, 255))
    image.paste((0, 0, 0, 0), (2, 0, 4, 4))
    return image


def test_grey_has_one_channel_and_colour_three() -> None:
    assert pixels(Image.new("L", (5, 3), 7)).tolist() == [[[7] * 5] * 3]
    assert pixels(Image.new("RGB", (4, 4), RED))[:, 0, 0].tolist() == [255, 0, 0]


def test_grey_stored_as_colour_is_grey() -> None:
    assert pixels(Image.new("RGB", (4, 4), (9, 9, 9))).shape == (1, 4, 4)


def test_transparency_becomes_white() -> None:
    x = pixels(half_transparent())
    assert x[:, 0, 0].tolist() == [255, 0, 0] and x[:, 0, 3].tolist() == [255, 255, 255]


def test_four_channels_keep_alpha() -> None:
    x = pixels(half_transparent(), options=ImageOptions(channels=4))
    assert x[:, 0, 0].tolist() == [255, 0, 0, 255] and x[3, 0, 3] == 0
    opaque = pixels(Image.new("L", (2, 2), 5), options=ImageOptions(channels=4))
    assert opaque[:, 0, 0].tolist() == [5, 5, 5, 255]


def test_one_channel_of_colour_is_its_luma() -> None:
    assert pixels(Image.new("RGB", (2, 2), RED), options=ImageOptions(channels=1))[0, 0, 0] == 76  # 0.299 * 255


def test_palette_with_transparency() -> None:
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([*RED, 0, 0, 255])
    palette.paste(1, (2, 0, 4, 4))
    assert pixels(palette)[:, 0, 3].tolist() == [0, 0, 255]
    x = pixels(palette, transparency=1)
    assert x[:, 0, 0].tolist() == [255, 0, 0] and x[:, 0, 3].tolist() == [255, 255, 255]


def test_grey_with_alpha() -> None:
    image = Image.new("LA", (2, 1), (0, 255))
    image.putpixel((1, 0), (0, 0))
    assert pixels(image).tolist() == [[[0, 255]]]


def test_one_bit() -> None:
    image = Image.new("1", (2, 1), 0)
    image.putpixel((1, 0), 1)
    assert pixels(image).tolist() == [[[0, 255]]]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_and_not_cut(kind: str) -> None:
    values = np.array([[0, 255, 257, 32_896, 65_535]], dtype=np.uint16)
    assert pixels(Image.fromarray(values), kind).tolist() == [[[0, 1, 1, 128, 255]]]


def test_floats_without_a_stated_white_are_refused() -> None:
    assert pixels(Image.fromarray(np.array([[0, 0.5, 1]], dtype=np.float32)), "TIFF").tolist() == [[[0, 128, 255]]]
    with pytest.raises(ValueError, match="not within 0 to 1; set the option white"):
        pixels(Image.fromarray(np.array([[0, 7.0]], dtype=np.float32)), "TIFF")


def test_cmyk() -> None:
    assert pixels(Image.new("CMYK", (2, 2), (0, 255, 255, 0)), "TIFF")[:, 0, 0].tolist() == [255, 0, 0]
    x = pixels(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95)
    assert abs(x[:, 0, 0].astype(int) - [255, 0, 0]).max() < 8


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_rotation(kind: str, tmp_path: Path) -> None:
    image = Image.new("RGB", (32, 16), (0, 0, 255))
    image.paste(RED, (0, 0, 16, 16))  # red to the left
    exif = Image.Exif()
    exif[0x0112] = 6  # to be seen turned a quarter to the right: red above
    path = tmp_path / "turned"
    path.write_bytes(stored(image, kind, exif=exif).getvalue())
    x = decode(path, ImageOptions())
    assert x.shape == (3, 32, 16) and measure(path) == (16, 32)
    assert x[0, 4].mean() > 200 > 50 > x[0, 28].mean()
    small = decode(path, ImageOptions(size=8))
    assert small.shape == (3, 8, 8)
    assert small[0, 1].mean() > 200 > 50 > small[0, 6].mean()


def test_animations_give_their_first_frame() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, (0, 0, 255))]
    x = pixels(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert x[:, 0, 0].tolist() == [255, 0, 0]


def test_center_crop_keeps_the_middle_and_none_squeezes() -> None:
    image = Image.new("RGB", (60, 20), RED)
    image.paste((0, 0, 255), (20, 0, 40, 20))
    cropped = pixels(image, options=ImageOptions(size=10))
    assert cropped.shape == (3, 10, 10) and cropped[0].max() < 20 and cropped[2].min() > 235
    squeezed = pixels(image, options=ImageOptions(size=10, crop="none"))
    assert squeezed.shape == (3, 10, 10)
    assert squeezed[0, 5, 0] > 250 and squeezed[2, 5, 5] > 250 and squeezed[0, 5, 9] > 250


def test_large_photographs_are_decoded_at_a_fraction() -> None:
    gradient = np.linspace(0, 255, 1024).astype(np.uint8)[None, :, None].repeat(768, 0).repeat(3, 2)
    photograph = Image.fromarray(gradient)
    x = pixels(photograph, "JPEG", ImageOptions(size=32, channels=1))
    exact = np.asarray(Image.fromarray(gradient[:, 128:896]).convert("L").resize((32, 32), Image.Resampling.LANCZOS))
    assert abs(x[0].astype(int) - exact).max() <= 3


@pytest.mark.parametrize(
    ("options", "says"),
    [({"size": 0}, "0 pixels wide"), ({"channels": 2}, "2 channels"), ({"crop": "left"}, "no crop")],
)
def test_impossible_options(options: dict[str, object], says: str) -> None:
    with pytest.raises(GanvasError, match=says):
        ImageOptions(**options)  # type: ignore[arg-type]


def test_read_image_fits_a_model(tmp_path: Path) -> None:
    path = tmp_path / "字.png"
    half_transparent().save(path)
    x = read_image(path, (3, 8, 6))
    assert x.shape == (3, 8, 6) and x.dtype == torch.float32 and x.is_contiguous()
    assert x[:, 0, -1].tolist() == [1, 1, 1]
    assert read_image(path, (1, 4, 4)).shape == (1, 4, 4) and read_image(path, (4, 4, 4)).shape == (4, 4, 4)


def test_read_image_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(GanvasError, match="no file"):
        read_image(tmp_path / "absent.png", (1, 8, 8))
    text = tmp_path / "text.png"
    text.write_text("hello")
    with pytest.raises(GanvasError, match="not a readable picture"):
        read_image(text, (1, 8, 8))


def test_adapt_changes_only_what_is_asked() -> None:
    split = Split(torch.randint(0, 256, (5, 1, 8, 8), dtype=torch.uint8), torch.arange(5))
    assert adapt(split, ImageOptions()) is split
    assert adapt(split, ImageOptions(size=8, channels=1)) is split
    larger = adapt(split, ImageOptions(size=16, channels=3))
    assert larger.x.shape == (5, 3, 16, 16) and larger.y is split.y
    alpha = Split(torch.zeros(2, 4, 4, 4, dtype=torch.uint8))
    assert adapt(alpha, ImageOptions()).x.unique().tolist() == [255] and adapt(alpha, ImageOptions()).x.shape[1] == 3
    assert adapt(alpha, ImageOptions(channels=4)) is alpha
