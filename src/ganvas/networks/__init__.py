"""Whole networks: bodies (mlp, dcgan, resnet), and the encoders, decoders, generators and critics made of them."""

from ganvas.networks.body import Analysis, Body, Latent, Shape, Synthesis
from ganvas.networks.critics import CodeCritic, Critic, JointCritic, SumPooled, WithStddev
from ganvas.networks.dcgan import Dcgan
from ganvas.networks.dit import DiT
from ganvas.networks.encoders import (
    ClassifyingEncoder,
    Encoder,
    GridEncoder,
    GridPosterior,
    ImplicitEncoder,
    PointEncoder,
    UnitInterval,
)
from ganvas.networks.generators import Decoder, Generator
from ganvas.networks.mlp import Mlp
from ganvas.networks.packing import Packed
from ganvas.networks.point_denoiser import PointDenoiser
from ganvas.networks.resnet import Resnet
from ganvas.networks.stacked import StackedAnalysis, StackedSynthesis
from ganvas.networks.unet import UNet

__all__ = [
    "Analysis",
    "Body",
    "ClassifyingEncoder",
    "CodeCritic",
    "Critic",
    "Dcgan",
    "Decoder",
    "DiT",
    "Encoder",
    "Generator",
    "GridEncoder",
    "GridPosterior",
    "ImplicitEncoder",
    "JointCritic",
    "Latent",
    "Mlp",
    "Packed",
    "PointDenoiser",
    "PointEncoder",
    "Resnet",
    "Shape",
    "StackedAnalysis",
    "StackedSynthesis",
    "SumPooled",
    "Synthesis",
    "UNet",
    "UnitInterval",
    "WithStddev",
]
