"""From settings to a network: which architectures there are, and the only place where one is made."""

from __future__ import annotations

import ast
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ttt_bench import plugins
from ttt_bench.errors import UserError, did_you_mean
from ttt_bench.literals import parse
from ttt_bench.plugins import PluginFile

if TYPE_CHECKING:
    from ttt_bench.networks.config import NetworkConfig
    from ttt_bench.networks.contract import Network

ARCHITECTURES = ("multitask", "mtinet")


@dataclass(frozen=True)
class Outside:
    """An architecture of a file from outside, read without running it."""

    name: str
    file: PluginFile
    class_name: str


def outside() -> dict[str, Outside]:
    """The architectures of installed packages and of the files in use, by name.

    Raises:
        UserError: a file defines none, or a name is taken.
    """
    found = plugins.by_name(plugins.found("network"), lambda file: [(each.name, each) for each in _read(file)])
    for name in set(found) & set(ARCHITECTURES):
        raise UserError(f"{found[name].file.path} defines the network {name!r}, which is built in.", "Rename it.")
    return found


def choice(architecture: str | None, files: tuple[Path, ...]) -> dict[str, str]:
    """What ``--architecture`` and ``--network FILE`` set: the one that is named, else the last file's.

    Returns:
        Fields of ``NetworkConfig``; none where neither option is given.

    Raises:
        UserError: there is no such architecture, or a file defines none.
    """
    known = outside()
    if architecture is None and files:
        last = PluginFile("network", Path(os.path.realpath(files[-1])), outside=True)
        architecture = next(iter(_read(last))).name
    if architecture is None:
        return {}
    if architecture in known:
        return {"architecture": architecture, "code": known[architecture].file.code}
    if architecture in ARCHITECTURES:
        return {"architecture": architecture, "code": ""}
    hint = f"{did_you_mean(architecture, [*ARCHITECTURES, *known])} Or a file: --network mine.py."
    raise UserError(f"--architecture {architecture!r} is unknown.", hint)


def _read(file: PluginFile) -> Iterator[Outside]:
    """The classes of ``file`` with a literal ``name``."""
    names = 0
    for node in (each for each in parse(file).body if isinstance(each, ast.ClassDef)):
        for item in node.body:
            if isinstance(item, ast.Assign) and ast.unparse(item.targets[0]) == "name":
                if not isinstance(item.value, ast.Constant) or not isinstance(item.value.value, str):
                    raise UserError(f"{file.path}:{item.lineno}: name is not a text.", "Write the name itself.")
                names += 1
                yield Outside(item.value.value, file, node.name)
    if not names:
        raise UserError(
            f"The network file {file.path} defines no network.",
            "A network is a class deriving from ttt_bench.networks.contract.Network with the literal `name`.",
        )


def make_network(config: NetworkConfig, outputs: Mapping[str, int], per_image: Collection[str] = ()) -> Network:
    """The network of ``config``, freshly initialised from the global generator.

    Args:
        config: the settings.
        outputs: output channels by task, in order.
        per_image: the tasks that have one answer per image.

    Raises:
        UserError: the architecture or its encoder is unknown, or weights do not fit.
    """
    import torch

    from ttt_bench.networks.convolutions import make_safe

    network = _class_of(config)(config, outputs, per_image)
    make_safe(network)
    # Channels innermost: a fifth to a third faster on CPUs, and what tensor cores want.
    network.to(memory_format=torch.channels_last)
    return network


def _class_of(config: NetworkConfig) -> type[Network]:
    if config.architecture == "multitask":
        from ttt_bench.networks.multitask import MultiTask

        return MultiTask
    if config.architecture == "mtinet":
        from ttt_bench.networks.mtinet import MTINet

        return MTINet
    known = outside()
    if config.architecture not in known:
        hint = f"{did_you_mean(config.architecture, [*ARCHITECTURES, *known])} Give its file with --network."
        raise UserError(f"The network {config.architecture!r} is unknown.", hint)
    found = known[config.architecture]
    loaded: type[Network] = getattr(plugins.load(found.file), found.class_name)
    return loaded
