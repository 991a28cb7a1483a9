"""What tables and files beside the pictures say of them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ganvas.data.dataset import Skipped
from ganvas.data.domains.image_files import ImageOptions
from ganvas.data.sources.beside import about_beside
from ganvas.data.sources.columns import Columns
from ganvas.data.sources.listing import File, Listing, skip
from ganvas.data.sources.metadata import LABELS, About, names_files, normal, read_metadata
from ganvas.data.sources.tables import Pictures, read_table


def describe(
    listing: Listing, splits: Sequence[Sequence[File]], root: Path, options: ImageOptions
) -> tuple[list[list[File]], list[Skipped]]:
    """The files with what is known of them, and rows of metadata without a file.

    Metadata of an imagefolder name the columns file_name, text and label. Other tables are read if a column of theirs
    names pictures. Tables have priority over files beside a picture, the nearest over others. Raises GanvasError for
    damaged metadata, and if a column that `options` name is in no table.
    """
    columns, pictures = Columns.of(options), Pictures(listing, root)
    rows: dict[str, About] = {}
    strict: dict[str, About] = {}
    tables = [(path, True) for path in listing.metadata]
    if columns.exact:
        listing.leave("of another kind (a table)", len(listing.tables))
    else:
        tables += [(path, False) for path in listing.tables]
    for path, named in sorted(tables, key=lambda pair: (len(pair[0].parts), pair[0])):
        stored = listing.read(path)
        if named and (path.name == LABELS or (columns.file is None and names_files(path, stored))):
            found = read_metadata(path, stored, columns)
            strict |= found
        else:
            found = read_table(path, stored, pictures, columns, listing)
        if not isinstance(found, str):
            listing.leave("" if named else "a table about the pictures, which was read", 0 if named else 1)
            rows |= found
        elif named:
            rows |= read_metadata(path, stored, columns)  # says what is wrong with it
        else:
            listing.leave(found)

    def about(f: File) -> About | None:
        table = rows.get(normal(f.path)) or f.about
        beside = None if columns.exact else about_beside(listing, f, columns)
        if table is None or beside is None:
            return table or beside
        return replace(
            table, text=table.text or beside.text, label=beside.label if table.label is None else table.label
        )

    described = [[replace(f, about=about(f)) for f in part] for part in splits]
    columns.see(listing.columns)
    listing.notes += columns.notes()
    columns.check_found(str(root))
    absent = [(key, about) for key, about in strict.items() if key not in pictures.known]
    return described, [skip(Path(key), root, f"named in {about.where}, but not there") for key, about in absent]
