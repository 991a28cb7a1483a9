"""The README.md of an export, as the Hugging Face hub shows it."""

from collections.abc import Sequence
from typing import Any

import ganvas
from ganvas.runs.scores import from_json as row_from_json
from ganvas.runs.scores import rounded
from ganvas.runs.settings import published_settings
from ganvas.use.abilities import abilities_of
from ganvas.use.run import Run


def model_card(run: Run, scores: Sequence[dict[str, Any]]) -> str:
    """README.md of a hub folder, with scores, also of real data and of the untrained networks."""
    settings = run.settings
    about = published_settings(settings)
    image = run.info.domain.in_rows
    front = ["---", "library_name: ganvas", "tags:", "- ganvas", f"- {settings.recipe}"]
    front += ["pipeline_tag: unconditional-image-generation"] if image and not run.recipe.num_classes else []
    lines = [*front, "---", "", f"# {settings.recipe} on {about['data']['source']}", ""]
    lines += [f"{line_of(settings.summary)}.", "", f"Paper: {line_of(settings.paper)}" if settings.paper else ""]
    lines += ["", "![Samples](samples.png)", "", "64 samples, not selected." if image else "Samples, not selected.", ""]
    lines += ["## Use", "", "```sh", "pip install ganvas", "ganvas sample THIS_FOLDER --out grid.png", "```", ""]
    lines += [
        "```python",
        "import ganvas",
        "",
        'run = ganvas.open("hub:USER/NAME")  # or this folder',
    ]
    lines += [line for ability in abilities_of(run.model) for line in ability.usage]
    lines += ["```", "", "## Training", "", f"- images seen: {run.images_seen:,}"]
    shape, classes = "x".join(map(str, run.info.shape)), len(run.info.classes)
    lines += [f"- data: {about['data']['source']}, {run.info.num_train:,} examples of {shape}, {classes} classes"]
    if run.recipe.num_classes:
        lines += [f"- told the class: {', '.join(line_of(c) for c in run.info.classes[:100])}"]
    arguments = ", ".join(f"{name} = {value}" for name, value in settings.arguments.items() if value is not None)
    lines += [f"- options: {line_of(arguments)}", f"- ganvas {ganvas.__version__}, seed {settings.training.seed}", ""]
    lines += ["## Scores", ""]
    if not scores:
        return "\n".join([*lines, "No scores were measured for these weights.", ""])
    lines += ["| score | better | this model | real data | untrained | features | samples | split |"]
    lines += ["|---|---|---:|---:|---:|---|---:|---|"]
    for row in map(row_from_json, scores):
        about_score = row.score.card
        cells = [row.score.name, row.score.better, rounded(row.score), rounded(row.floor), rounded(row.untrained)]
        cells += [about_score.features or "", f"{about_score.num_samples:,}", about_score.split]
        lines += ["| " + " | ".join(line_of(cell).replace("|", "\\|") for cell in cells) + " |"]
    return "\n".join([*lines, "", "`evaluation.json` has the full protocol of each score.", ""])


def line_of(text: str) -> str:
    """A text as one line."""
    return " ".join(text.split()).rstrip(".")


def card_name(run: Run) -> str:
    return f"{run.settings.recipe} after {run.images_seen:,} images"
