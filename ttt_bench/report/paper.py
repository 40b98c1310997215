"""The founding paper's printed numbers, shipped with the report."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

import pandas as pd

METRIC_OF = {
    ("semseg", "miou"): "semseg/miou",
    ("depth", "rmse"): "depth/rmse_aligned",
    ("normal", "mean_angle"): "normal/mean_angle",
    ("edge", "rmse"): "edge/rmse_aligned",
}
"""The paper's columns by their estimator: its RMSE is taken after a scale and shift fitted per batch."""

MAIN_TABLES = (1, 7)
SINGLE_TABLE = 8
"""S4T adapted on a single batch."""


@lru_cache(maxsize=1)
def _printed() -> pd.DataFrame:
    with files("ttt_bench.report").joinpath("paper_tables.csv").open(encoding="utf-8") as file:
        table = pd.read_csv(file, comment=None)
    table["method_id"] = [method_id(name) for name in table["method"]]
    table["metric_id"] = [METRIC_OF.get(key, "") for key in zip(table["task"], table["metric"], strict=True)]
    return table


def method_id(printed: str) -> str:
    """``"NC-TTT"`` -> ``"nctt"``, ``"TTT++"`` -> ``"tttpp"``: the name of the method in this project."""
    short = {"NC-TTT": "nctt"}
    return short.get(printed, printed.lower().replace("+", "p").replace("-", ""))


def paper_results(pair: str) -> pd.DataFrame:
    """What the S4T paper prints for a pair.

    Args:
        pair: ``"taskonomy->nyudv2"`` and so on; any other gives an empty frame.

    Returns:
        One row per number: table, pair, method (as printed), method_id (as here), task, metric (as printed),
        metric_id (the estimator here, empty for Delta), mean, std. In the units printed: mIoU and Delta in
        percent, depth in metres (log units on Taskonomy), normals in degrees.
    """
    printed = _printed()
    return printed[printed["pair"] == pair].reset_index(drop=True)


def paper_order() -> tuple[str, ...]:
    """The paper's methods in the order of its Table 1."""
    printed = _printed()
    return tuple(dict.fromkeys(printed.loc[printed["table"] == MAIN_TABLES[0], "method_id"]))
