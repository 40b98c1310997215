"""TTT-MAE's reference cases: loss, position table, both forwards, and the loop over single images."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from parity_adapters.replay import gradient, numbered, replay, tensor
from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.method.card import OptimizerSpec
from ttt_bench.method.contract import Model
from ttt_bench.method.registry import create
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.networks.contract import Encoder, Network
from ttt_bench.parity.case import Case
from ttt_bench.parity.runner import Answer, answers
from ttt_bench.toolbox.mae.autoencoder import ViTShape
from ttt_bench.toolbox.mae.classifier import HeadShape, MaskedClassifier
from ttt_bench.toolbox.mae.masking import Masking
from ttt_bench.toolbox.mae.patches import patchify
from ttt_bench.toolbox.mae.positions import sincos_table

OFFICIAL = "models_mae_shared.py: MaskedAutoencoderViT."
MOVING = {"encoder": "encoder", "all": "all", "encoder_no_cls_no_msk": "encoder_no_tokens"}
ADAMW_DECAY = 0.01
"""The library's, since the official code passes none to AdamW."""


class NoNetwork(Network):
    """Stands where the benchmark's shared network does, which the ViT leaves alone."""

    def __init__(self, classes: int) -> None:
        super().__init__(NetworkConfig(), {"class": classes}, ("class",))
        self.encoder = Encoder()


@answers(OFFICIAL + "forward_loss")
def loss(case: Case) -> Answer:
    """The error of removed patches, its gradient, and the patches."""
    method: Any = create("tttmae", {"norm_pix": case.params["norm_pix_loss"]})
    patches = patchify(tensor(case, "in_images"), case.params["patch"])
    predicted = tensor(case, "in_pred", grad=True)
    error = method.error(predicted, patches, tensor(case, "in_mask"))
    return {"exp_loss": error, "exp_grad_pred": gradient(error, predicted), "exp_patches": patches}


@answers("util/pos_embed.py: get_2d_sincos_pos_embed(cls_token=True)")
def table(case: Case) -> Answer:
    """Positions with the class token's row."""
    grid = case.params["grid"]
    return {"exp_table": sincos_table(case.params["width"], (grid, grid), class_token=case.params["cls_token"])}


@answers(OFFICIAL + "forward")
def forward(case: Case) -> Answer:
    """Masked: latents, patches, loss and gradients; unmasked: the class."""
    method, model = _model(case)
    vit, images, size = model.aux, tensor(case, "in_images"), case.params["arch"]["image"]
    if not case.params["mask_ratio"]:
        logits = method.predict(model, images)["class"]
        error = cross_entropy(logits, tensor(case, "in_labels").long())
        return {"exp_logits": logits, "exp_ce": error, "exp_latent_cls": vit.encode(images, size, None)[:, 0]}
    noise = tensor(case, "in_noise")
    mask = Masking(case.params["mask_ratio"]).mask(noise, noise.shape[1])
    latent = vit.encode(images, size, mask)
    replay(method, mask_noise=lambda count, tokens, rng: noise)
    error = method.rebuilding(model, images, torch.Generator())
    error.backward()
    without = sum(parameter.grad is None for parameter in vit.parameters())
    answer = {"exp_loss": error, "exp_pred": vit.decode(latent, size, mask), "exp_latent_cls": latent[:, 0]}
    answer |= {f"exp_grad_{name}": p.grad for name, p in vit.named_parameters() if p.grad is not None}
    return answer | {"exp_no_gradient": float(without)}


@answers("engine_test_time.py: train_on_test")
def adaptation(case: Case) -> Answer:
    """One image after the other, each from the stored weights, read after every step."""
    params = case.params
    method, model = _model(case, copies=params["copies"], moving=MOVING[params["finetune_mode"]])
    noise = iter(numbered(case, "in_noise"))
    replay(method, mask_noise=lambda count, tokens, rng: next(noise))
    settings = dict(params["optimizer"])
    betas = settings.pop("betas", None)
    name = settings.pop("name").replace("_", "")
    decay = ADAMW_DECAY if name == "adamw" else 0.0
    adapter = Adapter(model, method, OptimizerSpec(name, weight_decay=decay, **settings))
    if betas:
        # The benchmark's optimisers have the library's; this one setting of the case is put in its place.
        assert adapter.optimizer is not None
        for group in adapter._snapshot.optimizer["param_groups"]:
            group["betas"] = tuple(betas)
    answer: dict[str, Any] = {}
    losses, logits = [], []
    for index, image in enumerate(tensor(case, "in_images").split(1)):
        adapter.reset()
        for step in range(1, params["steps"] + 1):
            losses.append(adapter.update(image))
            logits.append(adapter.predict(image)["class"][0])
            answer |= {f"exp_i{index}s{step}_{k}": v.detach().clone() for k, v in model.aux.state_dict().items()}
    shape = (-1, params["steps"])
    answer["exp_losses"] = torch.stack(losses).view(shape)
    answer["exp_logits"] = torch.stack(logits).view(*shape, len(logits[0]))
    return answer


def _model(case: Case, **options: Any) -> tuple[Any, Model]:
    arch = case.params["arch"]
    shape = ViTShape(
        arch["patch"], arch["width"], arch["depth"], arch["heads"],
        arch["decoder_width"], arch["decoder_depth"], arch["decoder_heads"], arch["mlp_ratio"],
    )  # fmt: skip
    head = HeadShape(arch["classifier_width"], arch["classifier_depth"], arch["classifier_heads"])
    vit = MaskedClassifier(arch["classes"], shape, head)
    state: dict[str, Tensor] = {k: torch.from_numpy(v.copy()) for k, v in case.below("w_").items()}
    vit.load_state_dict({name: value for name, value in state.items() if not name.endswith("pos_embed")})
    method = create("tttmae", {"backbone": "vit_tiny", "copies": 1, **options})
    return method, Model(NoNetwork(arch["classes"]), vit).eval()
