"""Hostile input for `fuzz.py`: what may be wrong with bytes, JSON, checkpoints, pictures, arrays and command lines.

Everything follows from the `random.Random` that is handed in.
"""

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import random
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

NUMBERS: tuple[Any, ...] = (
    *(0, 1, -1, 2, 3, 7, 64, 255, 256, 65_535, 10**6, 10**9, 10**12, 10**18, 2**31, 2**63 - 1, 2**63, 2**64, -(2**63)),
    *(10**400, 0.5, -0.5, 1e-300, 1e300, 1e308, float("nan"), float("inf"), float("-inf"), -0.0),
)
TEXTS: tuple[str, ...] = (
    *(
        "",
        " ",
        "0",
        "-1",
        "1e9",
        "nan",
        "None",
        "True",
        "auto",
        "cpu",
        "cuda",
        "cuda:99",
        "meta",
        "vae",
        "gan",
        "glyphs",
    ),
    *(
        "..",
        "../../../etc/passwd",
        "/",
        "/dev/zero",
        "~",
        "~nobody/x",
        "file:///etc/passwd",
        "idx:/etc",
        "npz:/etc/passwd",
    ),
    *(
        "x" * 300,
        "x" * 20_000,
        "\0",
        "a\0b",
        "\x1b[31mred\x1b[0m",
        "\x1b]0;title\x07",
        "\r\n",
        "\u202egnp.exe",
        "é",
        "e\u0301",
    ),
    *(
        "\ud800",
        "漢字",
        "🙂",
        "%s%n",
        "{0}",
        "[bold]",
        "[/]",
        "<script>alert(1)</script>",
        "$(touch pwned)",
        "; touch pwned",
        "*",
    ),
    *("__import__('os')", "os.system", "--help", "--", "-", "a" * 255, "=", "--data=", "\u2028", "\ufeff"),
)


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


def values(dice: random.Random) -> Any:
    """Something that JSON can hold, and that is likely to be wrong where it is put."""
    kind = dice.randrange(8)
    if kind < 3:
        return dice.choice(NUMBERS)
    if kind < 5:
        return dice.choice(TEXTS)
    odd: tuple[Any, ...] = (
        None,
        True,
        False,
        [],
        {},
        [[]],
        [None],
        {"": {}},
        nested(200),
        [1] * 1_000,
        [10**6] * 4,
        [1, 2],
    )
    return dice.choice(odd)


def corrupted(dice: random.Random, data: bytes) -> bytes:
    """Some bytes with one to four things done to them."""
    found = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        at, length = dice.randrange(len(found) + 1), dice.choice((1, 2, 4, 8, 16, 256, 4_096))
        kind = dice.randrange(9)
        if kind == 0:
            del found[at:]
        elif kind == 1:
            del found[at : at + length]
        elif kind == 2:
            found[at:at] = found[at : at + length]
        elif kind == 3:
            found[at:at] = dice.randbytes(length)
        elif kind == 4:
            found[at : at + length] = bytes(len(found[at : at + length]))
        elif kind == 5:
            found[at : at + length] = dice.randbytes(len(found[at : at + length]))
        elif kind == 6 and at < len(found):
            found[at] ^= 1 << dice.randrange(8)
        elif kind == 7:
            number = dice.choice((0, 1, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1))
            found[at : at + 4] = struct.pack(dice.choice("<>") + "I", number)
        else:
            number = dice.choice((0, 1, 2**32, 2**40, 2**63 - 1, 2**63, 2**64 - 1))
            found[at : at + 8] = struct.pack(dice.choice("<>") + "Q", number)
    return bytes(found)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to everything in a JSON value."""
    found = [path] if path else []
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        found += places(part, (*path, key))
    return found


def changed(dice: random.Random, value: Any) -> Any:
    """A JSON value with one to three of its parts replaced, removed, exchanged or added to."""
    value = json.loads(json.dumps(value))
    for _ in range(dice.randint(1, 3)):
        paths = places(value)
        if not paths:
            return values(dice)
        *way, last = dice.choice(paths)
        holder = value
        for key in way:
            holder = holder[key]
        kind = dice.randrange(8)
        if kind < 4:
            holder[last] = values(dice)
        elif kind == 4:
            del holder[last]
        elif kind == 5 and isinstance(holder[last], int | float) and not isinstance(holder[last], bool):
            holder[last] *= dice.choice((-1, 10, 1_000, 10**6, 10**9, 0.5))
        elif kind == 6 and isinstance(holder, dict):
            holder[dice.choice(TEXTS)] = values(dice)
        else:
            other = dice.choice(list(holder.keys()) if isinstance(holder, dict) else range(len(holder)))
            holder[last], holder[other] = holder[other], holder[last]
    return value


ODD_VALUES: tuple[Any, ...] = (None, True, [], {}, "", "0.1", "high", "\x1b[31mred\x1b[0m", [None], [[1]], {"a": None})
"""What an edited file may hold in place of a number or a text."""


def score_changed(dice: random.Random, entry: dict[str, Any]) -> None:
    """Replaces one value of an entry of evaluation.json, mostly in its score or its score's card."""
    score = dice.choice([entry[name] for name in ("score", "floor", "untrained") if entry.get(name)])
    part = dice.choice((score, score, score["card"], score["card"], score["card"]["settings"] or score, entry))
    name = dice.choice(("error", "value")) if part is score and dice.random() < 0.6 else dice.choice(sorted(part))
    part[name] = dice.choice((*NUMBERS, *ODD_VALUES))


def as_json(dice: random.Random, value: Any) -> bytes:
    """The value as a file would hold it: mostly as JSON."""
    text = json.dumps(value)
    kind = dice.randrange(20)
    if kind == 0:
        return dice.choice(
            (b"", b"null", b"[" * 100_000, b'{"a":' * 50_000, b"\xff\xfe\x00", b'"', b"NaN", b"1" * 10_000)
        )
    if kind == 1:
        return text.encode(dice.choice(("utf-16", "utf-32", "utf-8-sig")))
    return corrupted(dice, text.encode()) if kind < 5 else text.encode()


def odd_file(dice: random.Random, path: Path) -> None:
    """Puts something at `path` that is no regular file of a sensible size."""
    if path.is_file() or path.is_symlink():
        path.unlink()
    elif path.is_dir():
        path.rename(path.with_name("moved"))
    kind = dice.randrange(7)
    if kind == 0:
        path.mkdir()
    elif kind == 1:
        os.mkfifo(path)
    elif kind == 2:
        path.symlink_to(dice.choice(("/etc/passwd", "/dev/zero", "nowhere", path.name, "..", "/")))
    elif kind == 3:
        path.touch()
    elif kind == 4:
        with path.open("wb") as file:
            file.truncate(dice.choice((2**26 + 1, 2**30 + 1, 2**33)))  # a hole: it takes no room
    elif kind == 5:
        path.write_bytes(dice.randbytes(dice.choice((1, 100, 10_000))))


# Checkpoints


def sealed(json_file: Path) -> None:
    """Makes a checkpoint's JSON vouch for the tensors that lie beside it, as a stranger would."""
    tensors = json_file.with_suffix(".safetensors")
    if not all(path.is_file() and path.stat().st_size < 2**26 for path in (json_file, tensors)):
        return
    try:
        facts = json.loads(json_file.read_text())
        facts["sha256"] = hashlib.sha256(tensors.read_bytes()).hexdigest()
        json_file.write_text(json.dumps(facts))
    except (ValueError, TypeError, RecursionError):
        pass  # it holds no object any more


def header_changed(dice: random.Random, data: bytes) -> bytes:
    """A safetensors file that says other things of its tensors than are so."""
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    names = [name for name in header if name != "__metadata__"]
    for _ in range(dice.randint(1, 3)):
        name = dice.choice(names)
        kind = dice.randrange(6)
        if name not in header or kind == 0:
            header[dice.choice(TEXTS)] = header.pop(name, values(dice))
        elif kind == 1:
            header[name] = changed(dice, header[name])
        elif kind == 2 and isinstance(header[name], dict):
            header[name]["dtype"] = dice.choice(
                ("F64", "F16", "BF16", "I64", "I32", "U8", "BOOL", "F8_E4M3", "C64", "X")
            )
        elif kind == 3 and isinstance(header[name], dict):
            header[name]["shape"] = dice.choice(([], [0], [10**9, 10**9], [1] * 70, [-1], [2**32, 2**32], [2]))
        elif kind == 4 and isinstance(header[name], dict):
            header[name]["data_offsets"] = dice.choice(([0, 0], [0, 2**62], [8, 4], [0, 2**31], [-4, 4]))
        else:
            header["__metadata__"] = values(dice)
    text = json.dumps(header).encode()
    claimed = len(text) if dice.random() < 0.8 else dice.choice((0, 1, 2**31, 2**40, 2**63))
    return struct.pack("<Q", claimed) + text + data[8 + length :]


def tensors_changed(dice: random.Random, data: bytes) -> bytes:
    """A well-formed safetensors file of other tensors."""
    import torch
    from safetensors.torch import load, save

    tensors = load(data)
    for _ in range(dice.randint(1, 3)):
        name = dice.choice(sorted(tensors))
        tensor, kind = tensors[name], dice.randrange(7)
        if kind == 0:
            del tensors[name]
        elif kind == 1:
            tensors[name] = tensor.to(
                dice.choice((torch.float64, torch.float16, torch.int64, torch.bool, torch.bfloat16))
            )
        elif kind == 2:
            shapes: tuple[tuple[int, ...], ...] = ((), (0,), (1,), (3, 5), (1,) * 12)
            tensors[name] = torch.zeros(dice.choice(shapes), dtype=tensor.dtype)
        elif kind == 3:
            tensors[dice.choice(TEXTS).encode("utf-8", "replace").decode()] = torch.zeros(3)
        elif tensor.is_floating_point():
            tensors[name] = torch.full_like(tensor, dice.choice((float("nan"), float("inf"), -1e30, 1e-40, -1.0)))
        if not tensors:
            break
    return save(tensors)


# Pictures


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, colour: int, depth: int, rows: bytes, more: bytes = b"") -> bytes:
    """A PNG file of compressed `rows`, whatever they hold. more: chunks before them."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + more + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def zeros(num: int) -> bytes:
    """So many of them, deflated."""
    squeeze = zlib.compressobj(9)
    parts = [squeeze.compress(bytes(2**20)) for _ in range(num >> 20)]
    return b"".join(parts) + squeeze.compress(bytes(num & 0xFFFFF)) + squeeze.flush()


def bombs() -> dict[str, bytes]:
    """Small pictures that say, or are, giants: some beyond Pillow's limit of 89 million pixels, some just below it."""
    text = b"Comment\0\0" + zeros(64 << 20)
    return {
        "just below, RGBA": png(9_400, 9_500, 6, 8, zeros((9_400 * 4 + 1) * 9_500)),
        "just below, 16 bit": png(9_400, 9_500, 0, 16, zeros((9_400 * 2 + 1) * 9_500)),
        "just above": png(13_000, 13_000, 0, 8, zeros((13_000 + 1) * 13_000)),
        "far above": png(60_000, 60_000, 2, 8, zeros(1 << 20)),
        "largest header": png(2**31 - 1, 2**31 - 1, 6, 16, zeros(100)),
        "text": png(8, 8, 0, 8, zlib.compress(bytes(9 * 8)), chunk(b"zTXt", text)),
        "many texts": png(8, 8, 0, 8, zlib.compress(bytes(9 * 8)), chunk(b"zTXt", b"a\0\0" + zeros(900_000)) * 100),
        "gif": b"GIF89a\xff\xff\xff\xff\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\xff\xff\xff\xff\0\x02\x02D\x01\0;",
        "bmp": b"BM"
        + struct.pack("<IHHIIiiHHIIiiII", 70, 0, 0, 54, 40, 40_000, 40_000, 1, 24, 0, 0, 0, 0, 0, 0)
        + bytes(16),
        "ppm": b"P6 50000 50000 255\n" + bytes(100),
        "pgm": b"P5 9400 9400 65535\n" + bytes(100),
    }


def pictures(dice: random.Random) -> list[tuple[str, bytes]]:
    """Whole pictures of all kinds, as (extension, content)."""
    pixels = np.frombuffer(dice.randbytes(16 * 16 * 4), dtype=np.uint8).reshape(16, 16, 4)
    image = Image.fromarray(pixels, "RGBA")
    grey, colour = image.convert("L"), image.convert("RGB")
    deep = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[0x0112] = dice.randint(0, 9)
    kinds: list[tuple[str, Image.Image, dict[str, Any]]] = [
        *((kind, colour, {}) for kind in ("png", "bmp", "ppm", "tga", "webp", "jp2", "avif", "gif", "ico")),
        *(("png", image.convert(mode), {}) for mode in ("1", "P", "LA", "L", "RGBA")),
        ("png", deep, {}),
        ("jpg", colour, {"exif": exif}),
        ("jpg", grey, {"progressive": True}),
        ("jpg", colour.convert("CMYK"), {}),
        ("gif", colour.convert("P"), {"save_all": True, "append_images": [colour.convert("P")] * 3}),
        *(
            ("tiff", colour, {"compression": kind})
            for kind in ("raw", "tiff_lzw", "jpeg", "tiff_adobe_deflate", "packbits")
        ),
        ("tiff", deep, {}),
        ("tiff", grey.convert("F"), {}),
        ("tiff", grey.convert("1"), {"compression": "group4"}),
        ("webp", image, {"lossless": True}),
    ]
    found: list[tuple[str, bytes]] = []
    for kind, picture, options in kinds:
        out = io.BytesIO()
        picture.save(out, {"jpg": "JPEG", "jp2": "JPEG2000", "tiff": "TIFF"}.get(kind, kind.upper()), **options)
        found.append((kind, out.getvalue()))
    return found


NAMES = (
    *(
        "a",
        "b c",
        "-rf",
        "--size",
        "%s",
        "é",
        "e\u0301",
        "漢字",
        "🙂🙂",
        "\u202egnp",
        "$(touch pwned)",
        "a\nb",
        "\x1b[31m",
        "x" * 240,
    ),
    *("con", "..a", "a..", "'", '"', "[bold]", "\\", "a\tb", "ﷺ", "a\u200bb", "[red]", "\udcff\udcfe", "{}", "#", "?"),
)
ENDINGS = (
    "png",
    "jpg",
    "jpeg",
    "gif",
    "bmp",
    "webp",
    "tiff",
    "ppm",
    "tga",
    "jp2",
    "avif",
    "ico",
    "psd",
    "PNG",
    "txt",
    "zip",
)


def picture_folder(dice: random.Random, folder: Path, giants: Sequence[bytes]) -> None:
    """One whole picture and one to three that are not, or not what they are called."""
    folder.mkdir()
    whole = pictures(dice)
    Image.new("RGB", (16, 16), (9, 99, 199)).save(folder / "good.png")
    for number in range(dice.randint(1, 3)):
        kind, content = dice.choice(whole)
        name = f"{dice.choice(NAMES)}{number}"
        path = folder / os.fsdecode(f"{name}.{kind}".encode("utf-8", "surrogateescape"))
        what = dice.randrange(20)
        if what == 0:
            path.write_bytes(dice.choice(list(giants)))
        elif what == 1:
            path.write_bytes(
                dice.choice((b"", bytes(1_000), b"<html>", b"%PDF-1.7", b"PK\3\4" + bytes(60), b"\x7fELF"))
            )
        elif what == 2:
            path.with_suffix("." + dice.choice(ENDINGS)).write_bytes(content)
        elif what == 3:
            odd_file(dice, path)
        elif what == 4:
            inner = folder / dice.choice(("train", "test", "validation", "__MACOSX", ".hidden", name))
            inner.mkdir(exist_ok=True)
            (inner / path.name).write_bytes(content)
        else:
            path.write_bytes(corrupted(dice, content))
    if dice.random() < 0.25:
        metadata(dice, folder)


def picture_archive(dice: random.Random, folder: Path, path: Path) -> None:
    """The folder as a zip archive, to which members are added that could harm, or in which something is wrong."""
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # of names that occur twice
        for file in sorted(folder.rglob("*")):
            if file.is_file() and not file.is_symlink() and file.stat().st_size < 2**24:
                name = os.fsencode(file.relative_to(folder)).decode("utf-8", "replace")
                archive.writestr(name, file.read_bytes())
        for _ in range(dice.randrange(4)):
            member = zipfile.ZipInfo(
                dice.choice(("../a.png", "/a.png", "C:\\a.png", "a/../../b.png", "good.png", "a\x1b[2J.png"))
            )
            member.external_attr = dice.choice((0, 0o120777, 0o010644, 0o100644)) << 16
            archive.writestr(member, dice.choice((b"", b"/etc/passwd", bytes(2**20), out.getvalue())))
        if dice.random() < 0.2:
            archive.writestr("dataset.json", as_json(dice, {"labels": values(dice)}))
        if dice.random() < 0.1:
            archive.writestr("bomb.png", bytes(2**27))
    data = out.getvalue()
    what = dice.randrange(4)
    for _ in range(dice.randint(1, 3) if what == 1 else 0):
        data = with_zip(dice, data)
    path.write_bytes(corrupted(dice, data) if what == 2 else data)


def picture_tar(dice: random.Random, folder: Path, path: Path) -> None:
    """The folder as a tar archive, compressed or not, in which something could harm or is wrong."""
    out = io.BytesIO()
    form = dice.choice((tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT))
    with tarfile.open(fileobj=out, mode="w", format=form, encoding="utf-8", errors="replace") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and not file.is_symlink() and file.stat().st_size < 2**24:
                content = file.read_bytes()
                info = tarfile.TarInfo(os.fsencode(file.relative_to(folder)).decode("utf-8", "replace")[:90])
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        for _ in range(dice.randrange(4)):
            info = tarfile.TarInfo(
                dice.choice(("../a.png", "/a.png", "C:\\a.png", "good.png", "a\x1b[2J.png", "good.txt"))
            )
            info.type = dice.choice(
                (tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE)
            )
            info.linkname = dice.choice(("/etc/passwd", "good.png", "../.."))
            content = dice.choice((b"", b"/etc/passwd", out.getvalue()[:5_000]))
            info.size = len(content) if info.type == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(content))
    data = out.getvalue()
    what = dice.randrange(6)
    if what == 0:
        data = b"".join(dice.choice((data, corrupted(dice, data))) for _ in range(2))
    elif what == 1:
        data = with_tar_header(dice, data)
    elif what == 2:
        data = corrupted(dice, data)
    if dice.random() < 0.3:
        compress = dice.choice((gzip.compress, bz2.compress, lzma.compress))
        packed = compress(data) + compress(bytes(2**20)) * dice.choice((0, 0, 1, 600))  # the last one is a bomb
        data = corrupted(dice, packed) if dice.random() < 0.3 else packed
    path.write_bytes(data)


def with_tar_header(dice: random.Random, data: bytes) -> bytes:
    """The archive with a header that claims another size or kind, with its checksum as it should be."""
    edited = bytearray(data)
    places = [p for p in range(0, len(data) - 511, 512) if data[p + 257 : p + 262] == b"ustar"]
    if not places:
        return data
    place = dice.choice(places)
    if dice.random() < 0.5:
        sizes = (b"77777777777\0", b"\x80" + b"\x7f" * 11, b"\xff" * 11 + b"\0", b"-0000000001\0", b"00000000001\0")
        edited[place + 124 : place + 136] = dice.choice(sizes)
    else:
        edited[place + 156] = dice.choice(b"0123456789LKxgSVX")
    total = sum(edited[place : place + 148]) + 8 * 32 + sum(edited[place + 156 : place + 512])
    edited[place + 148 : place + 156] = b"%06o\0 " % total
    return bytes(edited)


def metadata(dice: random.Random, folder: Path) -> None:
    """A metadata.jsonl or metadata.csv of which something is wrong."""
    rows = [{"file_name": "good.png", "text": "blue", "label": 1}, {"file_name": "a0.png", "text": "b", "label": "cat"}]
    kind = dice.randrange(6)
    if kind == 0:
        odd_file(dice, folder / dice.choice(("metadata.csv", "metadata.jsonl")))
    elif kind == 1:
        text = b'file_name,text,label\r\ngood.png,"a ""b""\nc",1\r\n'
        (folder / "metadata.csv").write_bytes(
            dice.choice((corrupted(dice, text), b"file_name\n" + b'"' * 200_000, b"\0"))
        )
    else:
        lines = [as_json(dice, changed(dice, row) if dice.random() < 0.8 else row) for row in rows]
        (folder / "metadata.jsonl").write_bytes(dice.choice((b"\n", b"\r\n", b"")).join(lines))


# Arrays


def npz_file(dice: random.Random, path: Path, giant: bytes) -> None:
    """An .npz in which something is wrong: its bytes, its zip, its arrays' headers, or its arrays."""
    pixels = np.frombuffer(dice.randbytes(12 * 64), dtype=np.uint8).reshape(12, 8, 8)
    arrays: dict[str, Any] = {"images": pixels, "labels": np.arange(12) % 3, "captions": np.array(["a"] * 12)}
    kind = dice.randrange(11)
    if kind == 0:
        path.write_bytes(giant)
        return
    if kind > 8:
        arrays = odd_arrays(dice, pixels)
    if kind == 1:
        shapes: tuple[tuple[int, ...], ...] = (
            (),
            (0, 8, 8),
            (12, 0, 8),
            (12, 8),
            (12, 1),
            (3, 2, 2, 2, 2),
            (12, 8, 8, 7),
        )
        types = ("f2", "f8", "i8", "u8", "?", "c8", "S3", "U2", "M8[s]", "m8[s]", "V4", "f4,i2", "O", "u2")
        name = dice.choice(("images", "labels", "captions", "class_names", "x", "y", "x_train", "x_test", "y_train"))
        try:
            arrays[name] = np.zeros(dice.choice(shapes), dtype=dice.choice(types))
        except (TypeError, ValueError):
            arrays[name] = np.array(None)
    if kind == 2:
        odd: tuple[Any, ...] = (np.nan, np.inf, -1e30, 1e30, 2**62, -2, -(2**62), 0.5)
        arrays[dice.choice(("images", "labels", "class_names"))] = np.full(
            (12,) + (8, 8) * dice.randrange(2), dice.choice(odd)
        )
    out = io.BytesIO()
    (np.savez_compressed if dice.random() < 0.5 else np.savez)(out, **arrays)
    data = out.getvalue()
    if kind == 3:
        data = with_headers(dice, data)
    elif kind == 4:
        data = with_zip(dice, data)
    elif kind == 8:
        data = with_long_headers(dice, data)
    elif 4 < kind < 8:
        data = corrupted(dice, data)
    path.write_bytes(data)


def odd_arrays(dice: random.Random, pixels: Any) -> dict[str, Any]:
    """Arrays that numpy can hold and nobody would train on: times, records, giants, names that a terminal obeys."""
    num = len(pixels)
    types = ("M8[s]", "m8[s]", "m8", "f4,i2", "V4", "c8", "S3", "?", "g", "u8")
    kind = dice.randrange(5)
    if kind == 0:
        return {dice.choice(("images", "x")): np.zeros((num, *dice.choice(((8, 8), (2,)))), dtype=dice.choice(types))}
    if kind == 1:
        return {"images": pixels, dice.choice(("labels", "captions")): np.zeros(num, dtype=dice.choice(types))}
    if kind == 2:
        names = np.zeros(3, dtype=dice.choice(types))
        return {"images": pixels, "labels": np.arange(num) % 3, "class_names": names}
    if kind == 3:
        size = dice.choice((1e300, -1e300, 1e38, 1e20, 3e38, 1e-300))
        return {"x": np.random.default_rng(dice.randrange(2**32)).normal(size=(num, 2)) * size}
    names = np.array([dice.choice(TEXTS[:40]).replace("\0", "").encode("utf-8", "replace").decode() for _ in range(3)])
    named = {"labels": names[np.arange(num) % 3]}
    return {"images": pixels} | dice.choice((named, {"labels": np.arange(num) % 3, "class_names": names}))


def with_long_headers(dice: random.Random, data: bytes) -> bytes:
    """The archive with arrays whose headers are padded far beyond what numpy reads."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            header = content[10:128].rstrip() + b" " * dice.choice((9_800, 10_100, 60_000, 10**6))
            new.writestr(name, b"\x93NUMPY\x02\0" + struct.pack("<I", len(header)) + header + content[128:])
    return out.getvalue()


def with_headers(dice: random.Random, data: bytes) -> bytes:
    """The archive with arrays whose headers say other things than are so."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            if dice.random() < 0.6:
                shape = dice.choice(
                    (
                        "(12,)",
                        "(10**9,)",
                        "(9999999999,)",
                        "(12, 40000, 40000)",
                        "(-1,)",
                        "(2**63,)",
                        "()",
                        "12",
                        "None",
                    )
                )
                kind = dice.choice(
                    ("|u1", "<f8", "|O", "|S1000000000", "<U999999999", "|V9", "x", "<i8", "|b1", "<M8[ns]")
                )
                order = dice.choice(("False", "True", "1", "None"))
                header = f"{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}, }}"
                if dice.random() < 0.1:
                    header = dice.choice(
                        ("(" * 3_000, "[" * 9_000, "{}", "__import__('os').system('touch pwned')", "\0")
                    )
                body = header.encode("latin1")
                content = b"\x93NUMPY\x01\0" + struct.pack("<H", len(body) & 0xFFFF) + body + content[128:]
            new.writestr(name, content)
    return out.getvalue()


def with_zip(dice: random.Random, data: bytes) -> bytes:
    """The archive with something changed in how zip describes it."""
    found = bytearray(data)
    at = found.rfind(b"PK\x01\x02")
    field, size = dice.choice(((8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (32, 2), (42, 4)))
    found[at + field : at + field + size] = dice.randbytes(size)
    return bytes(found)


def big_npz() -> bytes:
    """A megabyte that says it is a gigabyte and a half of black pictures, and is."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("images.npy", "w") as file,
    ):
        header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1536, 1024, 1024), }"
        file.write(b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header)
        for _ in range(1_536):
            file.write(bytes(2**20))
    return out.getvalue()


def big_idx() -> bytes:
    """The same as a gzip'ed IDX file."""
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=9) as file:
        file.write(b"\0\0\x08\x03" + struct.pack(">III", 1_536, 1_024, 1_024))
        for _ in range(1_536):
            file.write(bytes(2**20))
    return out.getvalue()


def idx_folder(dice: random.Random, folder: Path, giant: bytes) -> None:
    """MNIST's four files, one of which is not as it should be."""
    folder.mkdir()
    for part, num in (("train", 20), ("t10k", 10)):
        images = b"\0\0\x08\x03" + struct.pack(">III", num, 8, 8) + dice.randbytes(num * 64)
        labels = b"\0\0\x08\x01" + struct.pack(">I", num) + bytes(n % 3 for n in range(num))
        (folder / f"{part}-images-idx3-ubyte").write_bytes(images)
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(labels)
    victim = dice.choice(sorted(folder.iterdir()))
    content, kind = victim.read_bytes(), dice.randrange(6)
    if kind == 0:
        odd_file(dice, victim)
    elif kind == 1:
        victim.unlink()
        squeezed = gzip.compress(content)
        packed = dice.choice((giant, corrupted(dice, squeezed), squeezed, gzip.compress(corrupted(dice, content))))
        victim.with_name(victim.name + ".gz").write_bytes(packed)
    elif kind == 2:
        sizes = struct.pack(">III", *(dice.choice((0, 1, 8, 20, 65_535, 2**31, 2**32 - 1)) for _ in range(3)))
        victim.write_bytes(content[:4] + sizes + content[16:])
    else:
        victim.write_bytes(corrupted(dice, content))


# Command lines

LONG = ("--images", "--steps", "--starts", "--importance-samples", "--seeds", "--epochs", "--k")
"""A large number after these asks for much work, and gets it; they are given small ones, or none that is a number."""


def command_line(dice: random.Random, lines: Sequence[Sequence[str]], avoid: Callable[[str], bool]) -> list[str]:
    """A command that would do, with up to three of its words changed. avoid: words that are not to be made."""
    words = list(dice.choice(lines))
    flags = sorted({word for line in lines for word in line if word.startswith("--")})
    for _ in range(dice.choice((0, 1, 1, 1, 2, 3))):
        at, kind = dice.randrange(len(words)), dice.randrange(9)
        before = words[at - 1] if at else ""
        if kind == 0 and len(words) > 1 and words[at] not in LONG:
            del words[at]
        elif kind == 1 and before not in LONG:
            words.insert(at, dice.choice(words))
        elif kind == 2:
            words.insert(at, dice.choice([flag for flag in flags if flag not in LONG]))
        elif kind == 3:
            words[at:at] = [dice.choice([f for f in flags if f not in LONG]), dice.choice(TEXTS)]
        elif kind == 4 and words[at] not in LONG and before not in LONG:
            words[at] = dice.choice(dice.choice(list(lines)))
        elif kind == 5 and words[at] not in LONG and before not in LONG:
            words[at] = str(dice.choice(NUMBERS))
        elif before in LONG:
            words[at] = dice.choice(("0", "-1", "", "nan", "1e3", "x", "0x10", "None", "1", "2"))
        elif words[at] not in LONG:
            words[at] = dice.choice(TEXTS) if dice.random() < 0.7 else words[at] + dice.choice(TEXTS)
    return words if not any(map(avoid, words)) else command_line(dice, lines, avoid)
