"""What labels of NYUD-v2 can be: counted over its labelled frames."""

from ttt_bench.domains.pixels.plausible import Limits

SHARES = (
    0.2031, 0.2152, 0.0902, 0.0648, 0.0359, 0.0308, 0.0277, 0.0224, 0.0207, 0.0196, 0.0198, 0.0211, 0.0137, 0.0165,
    0.0104, 0.0113, 0.0093, 0.0095, 0.0083, 0.0090, 0.0071, 0.0074, 0.0140, 0.0062, 0.0064, 0.0048, 0.0040, 0.0047,
    0.0034, 0.0030, 0.0023, 0.0026, 0.0028, 0.0022, 0.0022, 0.0033, 0.0018, 0.0024, 0.0194, 0.0208, 0.0199,
)  # fmt: skip
"""Of the ids 0 (void) to 40 (otherprop), over every third of the 1449 frames."""
LIMITS = Limits(
    depth=(0.9, 6.5), usual_depth=2.6, largest_id=40, void=(0,), shares=SHARES, others=(13,), short=2,
)  # fmt: skip
"""Medians of the frames' depths go from 0.96 to 6.1 m; theirs is 2.6 m."""
