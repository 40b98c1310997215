"""The recipes by the names of the kinds."""

from __future__ import annotations

from ttt_bench.domains.corruptions import blur, digital, noise, weather
from ttt_bench.domains.corruptions.recipe import Recipe
from ttt_bench.domains.corruptions.tables import KINDS

CORRUPTIONS: dict[str, Recipe] = {
    kind: next(vars(room)[kind] for room in (noise, blur, weather, digital) if kind in vars(room)) for kind in KINDS
}
