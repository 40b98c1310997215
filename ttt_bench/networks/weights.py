"""Weights as people have them: wrapped, prefixed, renamed, as safetensors; read without running anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ttt_bench.domains.normalisation import SCALINGS
from ttt_bench.errors import UserError
from ttt_bench.networks.config import IMAGENET_FILES, NetworkConfig
from ttt_bench.networks.contract import Encoder
from ttt_bench.networks.hub import is_broken, weights_folder

State = dict[str, Tensor]

WRAPPERS = ("state_dict", "model_state_dict", "model", "network", "net", "module", "params", "ema", "teacher")
"""Where training scripts put the state dict within what they save; the first that is there counts."""
PASSING = ("_orig_mod", "module")
"""Parts of names that a compiled or parallel module adds, wherever they stand."""
CONSTANTS = {"mu": 0, "mean": 0, "sigma": 1, "std": 1}
"""Names of buffers with which a network normalises its input: mean or deviation of each colour."""
DOWNLOAD_SITE = "https://download.pytorch.org/models/"


def load_weights(encoder: Encoder, config: NetworkConfig) -> None:
    """Give ``encoder`` the weights that ``config`` names.

    Raises:
        UserError: they cannot be had, do not fit, or normalise pixels otherwise than ``config`` says.
    """
    if config.weights == "none":
        return
    if config.weights == "imagenet":
        fit(encoder, read_state(_imagenet_file(config.backbone)), f"ImageNet's weights of {config.backbone}", config)
        return
    path = Path(config.weights).expanduser()
    fit(encoder, read_state(path), f"--weights {path}", config)


def read_state(path: Path, option: str = "--weights") -> State:
    """Read a state dict from a file that others made (tensors only, nothing executed), out of what wraps it.

    Args:
        path: a file of ``torch.save`` or ``*.safetensors``.
        option: what the file was given as, for messages.

    Raises:
        UserError: the file is missing, damaged, or holds no state dict; the message names it.
    """
    content = _read(path, option)
    if not isinstance(content, dict):
        raise UserError(f"{option} {path} holds a {type(content).__name__}, not a state dict.")
    state = _unwrapped(content)
    if not state:
        keys = ", ".join(str(key) for key in list(content)[:5])
        raise UserError(f"{option} {path} holds no state dict, only: {keys}.", "Save network.state_dict().")
    return state


def _read(path: Path, option: str) -> Any:
    damaged = f"Delete {path}: it is an incomplete download or copy; then download it again."
    try:
        if path.suffix == ".safetensors":
            return _read_safetensors(path)
        if is_broken(path):
            raise UserError(f"{option} {path} is damaged: its content is not what its name promises.", damaged)
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"{option} {path} does not exist.") from error
    except UserError:
        raise
    except Exception as error:  # torch raises several kinds for damaged or unsafe files
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"{option} {path} is not a readable state dict: {first}",
            f"If it was downloaded or copied, it may be incomplete: delete {path} and download it again.",
        ) from error


def _read_safetensors(path: Path) -> Any:
    try:
        from safetensors.torch import load_file
    except ImportError as error:
        raise UserError(f"{path} needs the package safetensors.", "Install ttt-bench[timm], or safetensors.") from error
    return load_file(path)


def _unwrapped(content: Mapping[Any, Any]) -> State:
    """The tensors by name, from the outermost level that has any."""
    tensors = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    inside = [content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping)]
    if len(tensors) > len(CONSTANTS) or not inside:
        return tensors
    return _unwrapped(inside[0])


def fit(encoder: Encoder, state: State, source: str, config: NetworkConfig) -> None:
    """Load ``state`` into ``encoder``, whatever its names begin with; what is beside the encoder is left out.

    Raises:
        UserError: entries are missing, left over or of other shapes, or it is not clear which ones are meant.
    """
    _check_pixels(state, source, config)
    plain = {_without_passing(key): value for key, value in state.items()}
    expected = encoder.state_dict()
    names = {_published(encoder, key): key for key in expected}
    own = {key: key for key in expected}
    found = max((_renamed(plain, table, source) for table in (names, own)), key=len)
    wanted = [key for key in expected if not key.endswith("num_batches_tracked")]
    missing = [key for key in wanted if key not in found]
    unexpected = [key for key in found if key not in expected]
    wrong = [key for key in wanted if key in found and found[key].shape != expected[key].shape]
    if missing or unexpected or wrong:
        raise UserError(
            f"{source} does not fit {config.backbone}: {_few(missing)} missing, {_few(unexpected)} unexpected, "
            f"{_few(wrong)} of another shape.",
            "Give the state dict of the network that --backbone (and --stem) names.",
        )
    encoder.load_state_dict({**expected, **found})


def _renamed(state: State, names: Mapping[str, str], source: str) -> State:
    """Of ``state`` what lies below the prefix that fits ``names`` best, under our names.

    A classifier (fc, linear, head, ...) and whatever else is no part of the encoder are left out; an unknown entry
    within one of the encoder's parts keeps its name.
    """
    prefix = _prefix(state, names, source)
    parts = {name.split(".")[0] for name in names}
    found = {}
    for key, value in state.items():
        name = key[len(prefix) :].replace(".shortcut.", ".downsample.")
        if key.startswith(prefix) and (name in names or name.split(".")[0] in parts):
            found[names.get(name, name)] = value
    return found


def _prefix(state: State, names: Mapping[str, str], source: str) -> str:
    """What stands before the encoder's names: the beginning under which most of them are found."""
    counts: dict[str, int] = {}
    for key in state:
        words = key.split(".")
        for cut in range(len(words)):
            if ".".join(words[cut:]) in names:
                prefix = "".join(f"{word}." for word in words[:cut])
                counts[prefix] = counts.get(prefix, 0) + 1
    best = sorted((prefix for prefix, count in counts.items() if count == max(counts.values())), key=len)
    if len(best) > 1 and counts[best[0]] > 1:
        listed = " and ".join(repr(prefix) for prefix in best[:3])
        message = f"{source} holds this network several times, below {listed}."
        raise UserError(message, "Save only the one that is meant.")
    return best[0] if best else ""


def _without_passing(key: str) -> str:
    return ".".join(word for word in key.split(".") if word not in PASSING)


def _published(encoder: Encoder, key: str) -> str:
    """The name in published state dicts of our ``key``."""
    for theirs, ours in encoder.foreign.items():
        if key.startswith(ours):
            return theirs + key[len(ours) :]
    return key


def _check_pixels(state: State, source: str, config: NetworkConfig) -> None:
    """Pixels are normalised once: by the network's own constants only where ``config`` says the same."""
    for key, value in state.items():
        word = key.split(".")[-1]
        if word not in CONSTANTS or value.numel() != 3:
            continue
        numbers = value.flatten().tolist()
        match = [
            name
            for name, scaling in SCALINGS.items()
            if max(abs(a - b) for a, b in zip(scaling[CONSTANTS[word]], numbers, strict=True)) < 2e-4
        ]
        if config.pixels not in match:
            listed = ", ".join(f"{number:.4f}" for number in numbers)
            hint = f"Say so with --pixels {match[0]}." if match else "No --pixels has these constants."
            message = f"{source} normalises pixels itself ({key} = {listed}), but --pixels is {config.pixels}."
            raise UserError(message, hint)


def _imagenet_file(backbone: str) -> Path:
    """The downloaded file of torchvision's weights; fetched where it is not there yet."""
    path = weights_folder() / IMAGENET_FILES[backbone]
    if not path.is_file():
        try:
            torch.hub.load_state_dict_from_url(DOWNLOAD_SITE + path.name, progress=False, check_hash=True)
        except (OSError, RuntimeError) as error:
            raise UserError(
                f"The ImageNet weights of {backbone} could not be loaded: {error}.",
                "Use --weights none, or save torchvision's state dict to a file and give --weights FILE.",
            ) from error
    return path


def _few(keys: Iterable[str]) -> str:
    listed = list(keys)
    return f"{len(listed)} entries ({', '.join(listed[:3])})" if listed else "0 entries"
