"""Files of tensors, in the format safetensors."""

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor


def save_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> Path:
    """Writes contiguous tensors to a file. Its mode follows the umask; a file that safetensors creates has mode 0600."""
    path.touch()
    mode = path.stat().st_mode & 0o777
    save_file(dict(tensors), path, metadata)
    path.chmod(mode)
    return path


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file. Raises OSError or SafetensorError."""
    with path.open("rb"):  # raises PermissionError; safetensors would raise FileNotFoundError
        pass
    return load_file(path)
