"""From a backbone's name to its encoder, with the weights it starts from."""

from __future__ import annotations

from collections.abc import Callable

from ttt_bench.networks.cifar import ResNet26Encoder, WideEncoder
from ttt_bench.networks.config import TIMM, NetworkConfig
from ttt_bench.networks.contract import Encoder
from ttt_bench.networks.hrnet import HRNetEncoder
from ttt_bench.networks.resnet import RESNETS, ResNetEncoder
from ttt_bench.networks.weights import load_weights

OTHERS: dict[str, Callable[[], Encoder]] = {
    "resnet26": ResNet26Encoder,
    "resnet26_gn": lambda: ResNet26Encoder("group"),
    "wrn28_10": lambda: WideEncoder(28, 10),
    "wrn40_2": lambda: WideEncoder(40, 2),
    "hrnet18": HRNetEncoder,
}


def build_encoder(config: NetworkConfig) -> Encoder:
    """The encoder that ``config`` names, with its weights.

    Raises:
        UserError: the backbone is unknown, or the weights cannot be had or do not fit.
    """
    config.check()
    if config.backbone.startswith(TIMM):
        from ttt_bench.networks.from_timm import TimmEncoder

        encoder: Encoder = TimmEncoder(config.backbone[len(TIMM) :], config.weights == "imagenet")
        if config.weights == "imagenet":
            return encoder
    elif config.backbone in RESNETS:
        encoder = ResNetEncoder(config.backbone, config.stem or "imagenet")
    else:
        encoder = OTHERS[config.backbone]()
    load_weights(encoder, config)
    return encoder
