"""Layouts of tables about pictures, whatever their columns are called."""

from pathlib import Path

from layout_parts import Layout, pictures, write


def kaggle() -> None:
    """A folder train/ of pictures, and a table whose ids have no extension; the test set has no labels."""
    write(pictures(("breeds/train/{:04d}.jpg.png", 16)))
    for path in sorted(Path("breeds/train").iterdir()):
        path.rename(path.with_name(path.name.removesuffix(".jpg.png") + ".png"))
    rows = "".join(f"{i:04d},{('pug', 'whippet')[i % 2]}\n" for i in range(16))
    Path("breeds/labels.csv").write_text("id,breed\n" + rows)
    Path("breeds/sample_submission.csv").write_text("id,pug,whippet\n0001,0.5,0.5\n")


def celeba() -> None:
    """Liu et al.: a number, the names of attributes, and rows of 1 and -1 with two spaces before a 1."""
    write(pictures(("celeba/img_align_celeba/{:06d}.png", 16)))
    rows = "".join(f"{i:06d}.png {'-1' if i % 2 else ' 1'} {'-1' if i % 3 else ' 1'}\n" for i in range(16))
    Path("celeba/list_attr_celeba.txt").write_text("16\nMale Smiling \n" + rows)


def other_columns() -> None:
    write(pictures(("grades/{}.png", 24)))
    rows = "".join(f"{i}.png\t{i % 12}\ta picture {i}\n" for i in range(24))
    Path("grades/train.tsv").write_text("image\tgrade\tcaption\n" + rows)
    Path("grades/prices.csv").write_text("item,price\npaper,3\n")


def beside() -> None:
    files = pictures(("captions/{}.png", 16))
    write({**files, **{name.replace(".png", ".txt"): f"picture {name}".encode() for name in files}})


TABLES = (
    Layout("a table of labels, as Kaggle has them", "breeds", kaggle, "tables"),
    Layout("CelebA's attributes", "celeba", celeba, "tables", {"label_column": "Smiling"}),
    Layout("a table with columns of any names", "grades", other_columns, "tables", {"label_column": "grade"}),
    Layout("a caption beside each picture", "captions", beside, "tables"),
)
