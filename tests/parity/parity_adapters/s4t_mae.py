"""S4T's masked autoencoder, piece by piece and whole."""

from __future__ import annotations

import torch
from torch import Tensor

from parity_adapters.s4t_common import tensor
from ttt_bench.parity.case import Case
from ttt_bench.parity.runner import Answer, answers
from ttt_bench.toolbox.mae.autoencoder import MaskedAutoencoder, ViTShape
from ttt_bench.toolbox.mae.masking import Mask, Masking
from ttt_bench.toolbox.mae.patches import unpatchify
from ttt_bench.toolbox.mae.positions import sincos_table

OFFICIAL = "models.TTT_model.Joint_MAE."


def vit_shape(settings: dict[str, int]) -> ViTShape:
    """The case's settings as ours."""
    return ViTShape(
        settings["patch"], settings["embed"], settings["depth"], settings["heads"],
        settings["dec_embed"], settings["dec_depth"], settings["dec_heads"],
    )  # fmt: skip


def _mask(case: Case) -> Mask:
    noise = tensor(case, "in_noise")
    return Masking(float(case.params["mask_ratio"])).mask(noise, noise.shape[1])


@answers(OFFICIAL + "MaskedAutoencoderViT.random_masking")
def _random_masking(case: Case) -> Answer:
    mask = _mask(case)
    return {
        "exp_x_masked": mask.take(tensor(case, "in_x")),
        "exp_mask": mask.removed(),
        "exp_ids_restore": mask.restore,
    }


@answers("MaskedAutoencoderViT.unpatchify")
def _unpatchify(case: Case) -> Answer:
    tokens = tensor(case, "in_x")
    side = int(tokens.shape[1] ** 0.5)
    return {"exp_imgs": unpatchify(tokens, case.params["patch"], (side, side))}


@answers(OFFICIAL + "get_2d_sincos_pos_embed")
def _positions(case: Case) -> Answer:
    return {"exp_pos": sincos_table(case.params["dim"], (case.params["grid"],) * 2)}


@answers(OFFICIAL + "MaskedAutoencoderViT")
def _forward(case: Case) -> Answer:
    settings = dict(case.params)
    model = MaskedAutoencoder(settings["in_chans"], settings["out_chans"], vit_shape(settings))
    model.load_state_dict(learned({k: torch.from_numpy(v) for k, v in case.below("w_").items()}))
    mask, size = _mask(case), settings["img_size"]
    latent = model.encode(tensor(case, "in_x"), size, mask)
    patches = model.decode(latent, size, mask)
    return {
        "exp_latent": latent,
        "exp_mask": mask.removed(),
        "exp_ids_restore": mask.restore,
        "exp_pred": patches,
        "exp_imgs": unpatchify(patches, settings["patch"], model.grid(size)),
    }


def learned(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """An official state dict without the position tables, which we compute."""
    return {name: value for name, value in state.items() if not name.endswith("pos_embed")}
