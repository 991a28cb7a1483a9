"""Tables about pictures, whatever their columns are called, and files beside pictures."""

import json
from pathlib import Path

import pytest
from test_data_archives import png, zipped

from ganvas.cli import main
from ganvas.data import Data, ImageOptions, open_data
from ganvas.errors import GanvasError


def fill(folder: Path, num: int = 24, name: str = "{}.png") -> None:
    for i in range(num):
        path = folder / name.format(i)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(10 * i))


def number(x) -> int:
    return int(x[0, 5, 5]) // 10


def labels_of(data: Data) -> dict[int, str]:
    """The class of each picture, by its number."""
    found = {}
    for part in (data.train, data.held_out):
        assert part.y is not None
        found |= {
            number(x): data.info.classes[y] if y >= 0 else "" for x, y in zip(part.x, part.y.tolist(), strict=True)
        }
    return found


def write(path: Path, header: str, rows: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows]) + "\n")


@pytest.mark.parametrize(
    ("name", "header", "row"),
    [
        ("labels.csv", "id,breed", "{i},b{k}"),
        ("train.csv", "image_id,label", "{i}.png,b{k}"),
        ("t.tsv", "picture\tclass", "images/{i}.png\tb{k}"),
        ("t.csv", "target;where", "b{k};somewhere/{i}.png"),
        ("all.jsonl", "", '{{"img": "{i}.png", "category": "b{k}"}}'),
        ("metadata.csv", "image,category", "{i}.png,b{k}"),
    ],
)
def test_labels_are_found_in_tables_of_any_form(tmp_path: Path, name: str, header: str, row: str) -> None:
    fill(tmp_path / "images")
    write(tmp_path / name, header, [row.format(i=i, k=i % 3) for i in range(24)])
    data = open_data(str(tmp_path))
    assert labels_of(data) == {i: f"b{i % 3}" for i in range(24)}
    assert any(name in note or "was taken as labels" in note for note in data.notes)
    assert len(data.train) + len(data.held_out) + sum(u.num for u in data.unused) == 25


def test_columns_can_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path)
    rows = [f"{i}.png,{i % 2},{i % 12},{i / 7},it is {i}" for i in range(24)]
    write(tmp_path / "t.csv", "file,label,Month,price,says", rows)
    options = ImageOptions(label_column="month", caption_column="says")
    data = open_data(str(tmp_path), options)
    assert data.info.classes == tuple(map(str, range(12))), "numbers sort as numbers"
    assert labels_of(data) == {i: str(i % 12) for i in range(24)}
    assert data.train.text is not None
    assert all(text == f"it is {number(x)}" for x, text in zip(data.train.x, data.train.text, strict=True))
    main(["data", str(tmp_path), "--label-column", "Month", "--caption-column", "says"])
    assert "labels are the column Month, captions are the column says" in capsys.readouterr().out
    with pytest.raises(GanvasError, match=r"no table|No table in .* has a column 'mont'"):
        open_data(str(tmp_path), ImageOptions(label_column="mont"))
    with pytest.raises(GanvasError, match="'price' holds no classes"):
        open_data(str(tmp_path), ImageOptions(label_column="price"))
    with pytest.raises(GanvasError, match="name of a column"):
        ImageOptions(label_column=" ")


def test_a_column_of_files_can_be_named(tmp_path: Path) -> None:
    fill(tmp_path)
    rows = [f"{23 - i}.png,{i}.png,{i % 2}" for i in range(24)]
    write(tmp_path / "t.csv", "file,other,label", rows)
    assert labels_of(open_data(str(tmp_path), ImageOptions(file_column="other"))) == {i: str(i % 2) for i in range(24)}
    assert labels_of(open_data(str(tmp_path))) == {i: str((23 - i) % 2) for i in range(24)}


def test_columns_are_refused_where_there_is_no_table(tmp_path: Path) -> None:
    fill(tmp_path)
    with pytest.raises(GanvasError, match="no table"):
        open_data(str(tmp_path), ImageOptions(label_column="label"))
    for source in ("digits", "ring8"):
        with pytest.raises(GanvasError, match="label_column"):
            open_data(source, ImageOptions(label_column="label"))


def test_other_tables_are_passed_over_with_a_word(tmp_path: Path) -> None:
    fill(tmp_path)
    write(tmp_path / "prices.csv", "item,price", ["paper,3", "ink,5"])
    write(tmp_path / "sample_submission.csv", "id,label", [f"{i},0" for i in range(24)])
    (tmp_path / "broken.jsonl").write_text("{")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\0")
    data = open_data(str(tmp_path))
    assert data.train.y is None and not data.notes
    reasons = [u.reason for u in data.unused]
    for name in ("prices.csv", "sample_submission.csv", "broken.jsonl", "binary.csv"):
        assert sum(name in reason for reason in reasons) == 1, reasons


def test_numbers_name_pictures_only_if_most_do(tmp_path: Path) -> None:
    fill(tmp_path)
    write(tmp_path / "scores.csv", "who,points", [f"p{i},{i % 4}" for i in range(40)])
    assert any("names no picture" in u.reason for u in open_data(str(tmp_path)).unused)


def test_columns_that_were_not_taken_are_named(tmp_path: Path) -> None:
    fill(tmp_path)
    write(tmp_path / "t.csv", "file,age,sex", [f"{i}.png,{20 + i},{'fm'[i % 2]}" for i in range(24)])
    data = open_data(str(tmp_path))
    assert data.train.y is None and "No column was taken as labels (age, sex)" in data.notes[0]


def test_rows_without_pictures_and_repeated_ones_are_counted(tmp_path: Path) -> None:
    fill(tmp_path)
    rows = [f"{i}.png,{text} {i}" for i in range(30) for text in ("first", "second")]
    write(tmp_path / "captions.csv", "image,caption", rows)
    data = open_data(str(tmp_path))
    assert data.train.text is not None and all(text.startswith("first") for text in data.train.text)
    assert "12 rows name no picture here. 24 rows name a picture again" in data.notes[0]


def test_numbers_as_pandas_writes_them(tmp_path: Path) -> None:
    fill(tmp_path)
    write(tmp_path / "t.csv", "file,label", [f"{i}.png,{'' if i == 3 else f'{i % 11}.0'}" for i in range(24)])
    data = open_data(str(tmp_path))
    assert data.info.classes == tuple(map(str, range(11)))
    assert labels_of(data) == {i: "" if i == 3 else str(i % 11) for i in range(24)}


def test_folders_that_are_numbers_sort_as_numbers(tmp_path: Path) -> None:
    fill(tmp_path, 24, "{0}/{0}.png")
    for i in range(12, 24):
        (tmp_path / str(i) / f"{i}.png").rename(tmp_path / str(i - 12) / f"{i}.png")
        (tmp_path / str(i)).rmdir()
    assert open_data(str(tmp_path)).info.classes == tuple(map(str, range(12)))
    assert open_data(str(tmp_path), ImageOptions(split_by="name")).info.classes == tuple(sorted(map(str, range(12))))


def celeba(folder: Path, rows: list[str]) -> None:
    (folder / "list_attr_celeba.txt").write_text("\n".join([str(len(rows)), "Bald Smiling ", *rows, ""]))


def test_attributes_of_celeba(tmp_path: Path) -> None:
    fill(tmp_path / "img_align_celeba")
    celeba(tmp_path, [f"{i}.png {'-1' if i % 5 else ' 1'} {'-1' if i % 2 else ' 1'}" for i in range(24)])
    data = open_data(str(tmp_path), ImageOptions(label_column="Smiling"))
    assert labels_of(data) == {i: "not Smiling" if i % 2 else "Smiling" for i in range(24)}
    assert "(Bald, Smiling)" in open_data(str(tmp_path)).notes[0]
    with pytest.raises(GanvasError, match=r"column 'Smilling'.*\nDid you mean 'Smiling'"):
        open_data(str(tmp_path), ImageOptions(label_column="Smilling"))
    celeba(tmp_path, ["0.png 1"])
    assert any("cannot be read" in u.reason for u in open_data(str(tmp_path)).unused)


def test_captions_and_labels_beside_pictures(tmp_path: Path) -> None:
    fill(tmp_path, 12)
    for i in range(12):
        (tmp_path / f"{i}.txt").write_text(f"it is {i}\n")
        (tmp_path / f"{i}.cls").write_text("ab"[i % 2])
    (tmp_path / "notes.txt").write_text("x")
    data = open_data(str(tmp_path))
    assert labels_of(data) == {i: "ab"[i % 2] for i in range(12)} and data.train.text is not None
    assert all(text == f"it is {number(x)}" for x, text in zip(data.train.x, data.train.text, strict=True))
    assert {u.reason: u.num for u in data.unused} == {
        "a label or caption beside a picture, which was read": 24,
        "of another kind (.txt)": 1,
    }
    old = open_data(str(tmp_path), ImageOptions(split_by="name"))
    assert old.train.text is None and old.train.y is None, "runs of version 0.1.0 know no such files"


def test_boxes_beside_pictures_are_no_captions(tmp_path: Path) -> None:
    fill(tmp_path, 12)
    for i in range(12):
        (tmp_path / f"{i}.txt").write_text(f"0 0.5 0.5 0.{i} 0.2\n1 0.1 0.1 0.1 1e-2\n")
    data = open_data(str(tmp_path))
    assert data.train.text is None and "only numbers" in data.notes[0]


def test_a_table_in_an_archive(tmp_path: Path) -> None:
    files = {f"images/{i}.png": png(10 * i) for i in range(24)}
    rows = "\n".join(json.dumps({"path": f"images/{i}.png", "species": "xy"[i % 2]}) for i in range(24))
    data = open_data(str(zipped(tmp_path / "x.zip", {**files, "all.jsonl": rows.encode()})))
    assert labels_of(data) == {i: "xy"[i % 2] for i in range(24)}
