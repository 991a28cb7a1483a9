import io
import re
import subprocess
import sys

import pytest
from rich.console import Console

from ganvas.jobs.progress import Progress

TERMS = {"critic": {"adversarial": 1.20345, "gradient_penalty": 0.01}, "decoder": {"distortion": 93.12345}}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def log(width: int = 80) -> Console:
    """A console that is a file."""
    return Console(file=io.StringIO(), width=width)


def terminal(width: int = 100) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None, legacy_windows=False)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def shown(console: Console) -> list[str]:
    """The lines of everything written to a terminal, without control sequences."""
    return re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "\n", written(console)).replace("\r", "\n").split("\n")


def test_a_log_gets_one_plain_line_every_ten_seconds(clock: Clock) -> None:
    console = log()
    with Progress(100_000, "vaegan on glyphs", console, clock=clock) as progress:
        for step in range(1, 251):  # 25 seconds
            clock.now += 0.1
            progress.update(64 * step, 640.0, TERMS)
    lines = written(console).splitlines()
    assert [re.search(r"([\d,]+) / 100,000 images", line)[1] for line in lines] == [  # type: ignore[index]
        "64", "6,464", "12,864", "16,000",
    ]  # fmt: skip
    assert "\x1b" not in written(console)
    assert lines[-1] == (
        "vaegan on glyphs  16,000 / 100,000 images (16%)  640 images/s  ETA 2:11  "
        "critic: adversarial 1.203, gradient penalty 0.01000  decoder: distortion 93.12"
    )


def test_the_images_advance_between_two_tellings_of_terms(clock: Clock) -> None:
    console = log()
    with Progress(100_000, "t", console, clock=clock) as progress:
        progress.advance(500)  # of which nothing was told so far
        progress.update(1_000, 100.0, TERMS)
        for images in (1_000, 2_000):
            clock.now += 10
            progress.advance(images)
    lines = written(console).splitlines()
    assert [re.search(r"([\d,]+) / 100,000 images", line)[1] for line in lines] == ["1,000", "2,000"]  # type: ignore[index]
    assert all("100 images/s" in line and "distortion 93.12" in line for line in lines)


def test_a_terminal_shows_images_speed_time_left_and_each_players_terms(clock: Clock) -> None:
    console = terminal()
    with Progress(50_000, "vaegan on glyphs", console, clock=clock) as progress:
        clock.now += 10
        progress.update(12_500, 1250.0, TERMS)
    screen = "\n".join(shown(console))
    assert re.search(r"12,500 / 50,000 images \(25%\) · 1250 images/s · ETA 0:30 · 0:10 elapsed", screen)
    assert re.search(r"critic +adversarial 1\.203 +gradient penalty 0\.01000", screen)
    assert re.search(r"decoder +distortion 93\.12", screen)


@pytest.mark.parametrize("width", [20, 34, 60, 200])
def test_no_line_is_wider_than_the_terminal(clock: Clock, width: int) -> None:
    console = terminal(width)
    many = {f"player_{i}": {f"a_rather_long_term_{j}": 1e9 / 3 for j in range(6)} for i in range(3)}
    with Progress(10**9, "a long title of a long recipe on long data", console, clock=clock) as progress:
        progress.update(10**8, 123456.7, many)
    assert max(len(line) for line in shown(console)) <= width
    assert "a rather long term 5" in " ".join(" ".join(shown(console)).split()) or width < 60


@pytest.mark.parametrize("start", [0, 40_000])
def test_time_left_counts_only_what_this_session_saw(clock: Clock, start: int) -> None:
    progress = Progress(50_000, "t", log(), clock=clock)
    progress.start(images=start)
    clock.now += 5
    progress.update(start + 500, 999.0, {})
    assert progress.seconds_left() == pytest.approx((50_000 - start - 500) / 100)


def test_time_left_before_the_first_step_of_a_session_is_unknown(clock: Clock) -> None:
    console = log()
    progress = Progress(1_000, "t", console, clock=clock)
    progress.start(images=500)
    progress.update(500, float("nan"), {})
    assert "500 / 1,000 images (50%)  -- images/s  ETA --" in written(console)


def test_a_resumed_start_inside_a_with_statement_begins_anew(clock: Clock) -> None:
    with Progress(1_000, "t", terminal(), clock=clock) as progress:
        clock.now += 100  # loading a checkpoint
        progress.start(images=500)
        clock.now += 1
        progress.update(600, 100.0, {})
        assert progress.seconds_left() == pytest.approx(4)


@pytest.mark.parametrize("make", [log, terminal])
def test_messages_are_shown_as_they_are(clock: Clock, make: type[Console]) -> None:
    console = make()
    with Progress(100, "t", console, clock=clock) as progress:
        progress.message("saved [bold]runs/x[/bold] :smile:")
    assert "saved [bold]runs/x[/bold]" in written(console)


@pytest.mark.parametrize("make", [log, terminal])
def test_quiet_writes_nothing(clock: Clock, make: type[Console]) -> None:
    console = make()
    with Progress(100, "t", console, quiet=True, clock=clock) as progress:
        progress.update(50, 10.0, TERMS)
        progress.message("saved")
    assert written(console) == ""


def test_an_error_inside_leaves_the_cursor_visible_and_the_newest_state(clock: Clock) -> None:
    console = terminal()
    with pytest.raises(ZeroDivisionError), Progress(100, "t", console, clock=clock) as progress:
        progress.update(1, 1.0, {})
        progress.update(77, 1.0, {})
        raise ZeroDivisionError
    assert written(console).rstrip().endswith("\x1b[?25h")
    assert any("77 / 100 images" in line for line in shown(console))
    progress.stop()


def test_values_that_are_not_finite_are_shown(clock: Clock) -> None:
    console = log()
    with Progress(100, "t", console, clock=clock) as progress:
        progress.update(50, 0.0, {"critic": {"a": float("nan"), "b": float("-inf"), "c": 1.5e-9, "d": 0.0}})
    assert "critic: a nan, b -inf, c 1.50e-09, d 0\n" in written(console)


@pytest.mark.trains
def test_importing_says_nothing_and_needs_no_torch() -> None:
    code = "import sys, ganvas.jobs.progress, ganvas.report; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
