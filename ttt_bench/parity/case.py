"""One reference case: its manifest entry, its arrays, and how far an answer may be off."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ttt_bench.errors import UserError
from ttt_bench.files import read_json

Array = npt.NDArray[Any]

_NUMBER = re.compile(r"<i>")


@dataclass(frozen=True)
class Case:
    """A case of a manifest. Adapters may read its settings and arrays, never its name or its expectations."""

    folder: Path
    entry: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The manifest's name for the case (for printing only)."""
        return str(self.entry["name"])

    @property
    def function(self) -> str:
        """The official function that produced the numbers; adapters are found by it."""
        return str(self.entry["function"])

    @property
    def params(self) -> Mapping[str, Any]:
        """The official function's settings."""
        params: Mapping[str, Any] = self.entry.get("params", {})
        return params

    @cached_property
    def arrays(self) -> dict[str, Array]:
        """All arrays of the case, inputs and expectations.

        Raises:
            UserError: the file is missing or damaged.
        """
        path = self.folder / str(self.entry["file"])
        try:
            with np.load(path, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        except (OSError, ValueError, EOFError) as error:
            raise UserError(f"The reference file {path} cannot be read: {error}.") from error

    def below(self, prefix: str) -> dict[str, Array]:
        """Arrays whose name starts with ``prefix``, without it (e.g. ``w0/`` -> a state dict)."""
        return {key[len(prefix) :]: value for key, value in self.arrays.items() if key.startswith(prefix)}

    def tolerance(self, array: str) -> tuple[float, float]:
        """(rtol, atol) for the expected array ``array``."""
        own = self.entry["arrays"].get(array, {}).get("tol")
        if own is not None:
            return float(own[0]), float(own[1])
        whole = self.entry.get("tolerance", {"rtol": 1e-5, "atol": 1e-6})
        by_array = self.entry.get("atol_by_array", {})
        return float(whole["rtol"]), float(by_array.get(array, whole["atol"]))

    def expected(self) -> list[str]:
        """Names of the arrays that must come out; those an answer has to contain, all of them."""
        names = self.entry.get("expected", [])
        if all(name in self.arrays for name in names):
            return list(names)
        # Manifests that describe their expectations in prose list tolerances by array instead, or begin each
        # description with the pattern of the names (``used<i> = ...``).
        return list(self.entry.get("atol_by_array", {})) or self._named_by(names)

    def _named_by(self, descriptions: Iterable[str]) -> list[str]:
        patterns = [_NUMBER.sub(r"\\d+", re.escape(text.split()[0])) for text in descriptions if text.strip()]
        return [name for name in self.arrays if any(re.fullmatch(p, name) for p in patterns)]


def read_cases(root: Path) -> Iterator[Case]:
    """All cases of every ``manifest.json`` at or below ``root``.

    Raises:
        UserError: the folder is missing or holds no manifest, or a manifest is malformed.
    """
    if not root.is_dir():
        raise UserError(f"{root} is not a folder.", "Give a folder with a manifest.json at or below it.")
    manifests = sorted(root.rglob("manifest.json"))
    if not manifests:
        raise UserError(f"There is no manifest.json at or below {root}.")
    for manifest in manifests:
        content = read_json(manifest)
        cases = content.get("cases") if isinstance(content, dict) else None
        if not isinstance(cases, list) or not all(
            isinstance(c, dict) and {"name", "function", "file", "arrays"} <= c.keys() for c in cases
        ):
            raise UserError(f"{manifest} has no list of cases with name, function, file and arrays.")
        for entry in cases:
            yield Case(manifest.parent, json.loads(json.dumps(entry)))
