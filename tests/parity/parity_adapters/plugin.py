"""The file of a plug-in as a module, so that parity runs its functions as well as its class."""

from __future__ import annotations

import sys
from types import ModuleType

from ttt_bench.method.registry import find, load


def plugin(name: str) -> ModuleType:
    """The module of the method ``name``, loaded the way the benchmark loads it."""
    return sys.modules[load(find(name)).__module__]
