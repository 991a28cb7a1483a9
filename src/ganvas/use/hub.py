"""A run as a folder of the Hugging Face hub, pushed there and pulled from there."""

import copy
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch

import ganvas
from ganvas.data.domains.pictures import save_picture
from ganvas.errors import GanvasError, needs_extra
from ganvas.machine.tensor_files import save_tensors
from ganvas.runs.directory import PUBLISHED
from ganvas.runs.scores import kept
from ganvas.runs.settings import published_settings
from ganvas.training import state
from ganvas.use.abilities import abilities_of
from ganvas.use.codes_source import FIRST
from ganvas.use.model_card import card_name, model_card
from ganvas.use.programs import reached, write_json
from ganvas.use.published import without
from ganvas.use.run import Run


def write_hub_folder(run: Run, folder: Path) -> None:
    """config.json, model.safetensors, a model card with samples, and the scores of these weights."""
    model = copy.deepcopy(run.model).cpu()
    y = torch.zeros(2, dtype=torch.int64) if run.recipe.num_classes else None
    needed = {"prior"}
    with torch.enable_grad():
        for ability in abilities_of(model):
            needed.update(*(reached(model, way) for way in ability.ways(model, 2, y)))
    networks = [name for name, _ in model.named_children() if name in needed]
    model = without(model, [name for name, _ in model.named_children() if name not in needed])
    tensors = {name: t.detach().contiguous().clone() for name, t in state.variables(model).items()}
    save_tensors(tensors, folder / PUBLISHED, metadata={"format": "pt"})
    config = {**published_settings(run.settings), "images_seen": run.images_seen, "networks": networks}
    write_json(folder / "config.json", config)
    num = run.info.domain.num_shown
    save_picture(run.sample(num), folder / "samples.png", run.shown)
    if (run.path / FIRST).is_dir():
        shutil.copytree(run.path / FIRST, folder / FIRST)
    scores = [entry for entry in kept(run.path) if entry.get("images") == run.images_seen]
    if scores:
        write_json(folder / "evaluation.json", [{**e, "data": Path(str(e.get("data"))).name} for e in scores])
    (folder / "README.md").write_text(model_card(run, scores), encoding="utf-8", errors="replace")


def push(run: Run, repo: str) -> str:
    """Uploads a run's folder to the Hugging Face hub. Creates the repository if needed. Returns its address."""
    api = hub_client(repo).HfApi()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        folder.mkdir()
        write_hub_folder(run, folder)
        try:
            address = api.create_repo(repo_id=repo, repo_type="model", exist_ok=True)
            about = f"{card_name(run)} by ganvas {ganvas.__version__}"
            api.upload_folder(folder_path=str(folder), repo_id=repo, repo_type="model", commit_message=about)
        except Exception as error:  # the client raises its own errors and those of its transport
            raise hub_error(f"{repo} could not be uploaded", error) from error
    return str(address)


def pull(name: str) -> Path:
    """The folder of a model on the hub, `USER/NAME` or `USER/NAME@REVISION`; downloaded once, then cached."""
    fetch = hub_client(f"hub:{name}").snapshot_download
    repo, _, revision = name.partition("@")
    wanted = ["config.json", PUBLISHED, "README.md", "samples.png", "evaluation.json"]
    try:
        return Path(fetch(repo_id=repo, revision=revision or None, allow_patterns=wanted))
    except Exception as error:
        raise hub_error(f"hub:{name} could not be downloaded", error) from error


def hub_client(wanted: str) -> Any:
    """The package huggingface_hub. Raises GanvasError if it is not installed. what: the feature that needs it."""
    try:
        import huggingface_hub
    except ImportError as error:
        raise needs_extra(wanted, "hub") from error
    return huggingface_hub


def hub_error(what: str, error: Exception) -> GanvasError:
    first = (str(error).splitlines() or [""])[0]
    return GanvasError(
        f"{what}: {type(error).__name__}: {first}",
        "Check the name (USER/NAME), the network, and your login (hf auth login).",
    )
