"""Builds the report page from what the reader found: text, pictures and charts."""

import base64
import hashlib
from pathlib import Path

import jinja2
from markupsafe import Markup

from ganvas.machine.storage import atomically
from ganvas.report import commands, glossary
from ganvas.report.curves import ailments, curve_chart, measures, not_finite, player_charts
from ganvas.report.facts import facts, has_encoder, rows, settings, status
from ganvas.report.figures import count, duration, plain
from ganvas.report.reader import Picture, Run, read_run
from ganvas.report.scores import scored
from ganvas.report.verdict import verdict

HERE = Path(__file__).parent


def write_report(run_directory: Path) -> Path:
    """Writes report.html into a run directory, from its files only, and returns its path.

    The page is one file and opens offline. The run may be unfinished: the page skips and names what is missing.
    Raises GanvasError if the directory is not a run.
    """
    page = render(read_run(run_directory))
    return atomically(
        run_directory / "report.html", lambda part: part.write_text(page, encoding="utf-8", errors="replace")
    )


def render(run: Run) -> str:
    """The page as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(count=count, duration=duration, plain=plain, words=glossary.words, data_uri=data_uri)
    script = (HERE / "script.html").read_text("utf-8")
    return environment.get_template("page.html").render(
        run=run,
        recipe=run.recipe,
        style=Markup((HERE / "page.css").read_text("utf-8")),
        script=Markup(script),
        script_hash=_hash(script),
        status=status(run),
        facts=facts(run),
        verdict=verdict(run),
        has_encoder=has_encoder(run),
        walks=_stages(run.walks),
        ailments=ailments(run),
        players=player_charts(run.history),
        gradient_norms=curve_chart(run.history, "gradient norms", run.history.gradient_norms),
        throughput=curve_chart(run.history, "throughput", {"throughput": run.history.throughput}, "images per second"),
        measures=measures(run.history),
        scores=scored(run.scores),
        networks=sorted(run.networks.items(), key=lambda item: -item[1]),
        settings=settings(run),
        environment=rows(run.environment),
        again=commands.train_again(run.recipe),
        go_on=commands.go_on(run.recipe, run.directory, has_encoder(run), status(run).kind == "finished"),
        notes=[*run.notes, *not_finite(run.history)],
    )


def _stages(pictures: list[Picture]) -> list[Picture]:
    """The first, the middle and the last item."""
    last = len(pictures) - 1
    return [pictures[i] for i in sorted({0, last // 2, last})] if pictures else []


def data_uri(picture: Picture) -> str:
    return f"data:{picture.media_type};base64,{base64.b64encode(picture.data).decode('ascii')}"


def _hash(script: str) -> str:
    """The hash of the page's script for the content security policy, which blocks all other scripts."""
    code = script.split("<script>", 1)[1].split("</script>", 1)[0]
    return base64.b64encode(hashlib.sha256(code.encode()).digest()).decode("ascii")
