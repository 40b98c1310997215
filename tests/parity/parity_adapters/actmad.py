"""ActMAD's reference cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from parity_adapters.plugin import plugin
from parity_adapters.tiny_trunks import RESNET_NAMES, Names, TinyResNet, run_updates
from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.method.card import OptimizerSpec
from ttt_bench.method.contract import Model, StatisticsBank
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.networks.contract import Network
from ttt_bench.parity.case import Case
from ttt_bench.parity.runner import Answer, answers

NAMES = Names(RESNET_NAMES)


class Replay(Network):
    """A network whose batch norms put out given activations (each is the identity, exactly)."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__(NetworkConfig(), {})
        self.encoder: Any = nn.ModuleList(nn.BatchNorm2d(count, eps=0.0) for count in channels)
        self.activations: list[Tensor] = []
        self.eval()

    def features(self, images: Tensor, last: int = 4) -> list[Tensor]:
        """The activations to replay, or the images themselves when there are none."""
        maps = self.activations or [images]
        return [norm(each) for norm, each in zip(self.encoder, maps, strict=True)]


@answers("utils.utils.SaveEmb / SaveOutput")
def source_statistics(case: Case) -> Answer:
    """Moments of one layer, averaged over batches of different sizes."""
    batches = _tensors(case, "in/batch")
    model = Model(Replay([batches[0].shape[1]]), StatisticsBank())
    plugin("actmad").ActMAD(partial="keep").source_statistics(model, batches, torch.Generator())
    return {f"out/{kind}": model.aux.get_buffer(f"{kind}:0") for kind in ("mean", "var")}


@answers("SaveEmb + nn.L1Loss")
def dense_loss(case: Case) -> Answer:
    """The alignment loss at given activations, both scales, and its gradient."""
    method = plugin("actmad").ActMAD()
    features = [maps.requires_grad_() for maps in _tensors(case, "in/feat")]
    network = Replay([maps.shape[1] for maps in features])
    network.activations = features
    bank = StatisticsBank()
    for kind in ("mean", "var"):
        bank.store(**{f"{kind}:{i}": maps for i, maps in enumerate(_tensors(case, f"in/src_{kind}"))})
    model, images, rng = Model(network, bank), features[0], torch.Generator()
    means, variances = method.distances(model, method.observe(model, images))
    loss = method.loss(model, images, rng)
    gradients = torch.autograd.grad(loss, features)
    return {
        "out/loss_mean": means,
        "out/loss_var": variances,
        "out/loss_kitti": loss,
        "out/loss_cifar": plugin("actmad").ActMAD(loss_scale=0.5).loss(model, images, rng),
        **{f"out/grad_feat{i}": gradient for i, gradient in enumerate(gradients)},
    }


@answers("methods.actmad_cifar.actmad_cifar", "methods.actmad_kitti.actmad_kitti")
def adaptation(case: Case) -> Answer:
    """Source statistics, then one update on each of three batches."""
    params = case.params
    in_place = params["inplace_relu_and_residual"]
    overwritten = in_place and not params["clone_in_hook"]
    method = plugin("actmad").ActMAD(
        hook="post" if overwritten else "pre", loss_scale=params["loss_scale"], partial="keep"
    )
    network = TinyResNet(inplace=in_place)
    model = Model(network, method.auxiliary(network))
    model.load_state_dict(NAMES.ours(case.below("w0/")))
    model.eval()
    with torch.no_grad():
        method.source_statistics(model, _tensors(case, "in/source_batch"), torch.Generator())
    answer: dict[str, Tensor] = {}
    norms = [name for name, module in network.encoder.named_modules() if isinstance(module, nn.BatchNorm2d)]
    for i, name in enumerate(norms):
        for kind in ("mean", "var"):
            answer[f"out/src_{kind}{i}"] = model.state_dict()[f"aux.{kind}:{name.replace('.', '-')}"].clone()
    optimizer = OptimizerSpec(
        "sgd",
        lr=params["lr"],
        momentum=params["momentum"],
        nesterov=params["nesterov"],
        weight_decay=params["weight_decay"],
    )
    adapter = Adapter(model, method, optimizer)
    return answer | run_updates(adapter, _tensors(case, "in/target_batch"), NAMES)


def _tensors(case: Case, prefix: str) -> list[Tensor]:
    return [torch.as_tensor(array) for _, array in sorted(case.below(prefix).items())]
