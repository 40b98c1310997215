"""The looks of the same world: light, air and camera. Each look is a domain."""

from __future__ import annotations

from dataclasses import dataclass

from ttt_bench.errors import UserError, did_you_mean

RGB = tuple[float, float, float]


@dataclass(frozen=True)
class Look:
    """One look: numbers only. Light and colours are linear RGB; 1 is a white wall in full light."""

    title: str
    ambient: RGB
    """Light from everywhere."""
    ceiling: RGB
    """Power of the ceiling light; falls off with the squared distance."""
    window: RGB
    lamp: RGB
    glow: tuple[float, float, float]
    """Brightness of lamps, window panes and TV pictures themselves."""
    sky: RGB = (1.0, 1.0, 1.0)
    """Colour of what is behind the window."""
    shadow: float = 0.55
    """How much of the strongest light a shadow takes away."""
    fog: tuple[float, float] = (0.0, 0.0)
    """Extinction per metre: lowest and highest of a sample."""
    air: RGB = (0.8, 0.82, 0.85)
    """Colour of the fog."""
    glare: float = 0.0
    """Light that bright places spill over the image."""
    vignette: float = 0.0
    """Darkening of the corners."""
    exposure: tuple[float, float] = (0.9, 1.15)
    saturation: float = 1.0
    contrast: float = 1.0
    lift: float = 0.0
    """Display value of black."""
    cast: RGB = (0.0, 0.0, 0.0)
    """Largest random colour cast of a sample, display values."""
    wash: float = 0.0
    """Strength of a light leak: a bright veil from one side."""
    blur: int = 0
    """Passes of the small blur kernel per 64 pixels of image side."""
    print: float = 0.0
    """Strength of a bold print of stripes and lozenges that runs over every surface."""
    noise: float = 0.01
    """Standard deviation of the sensor noise in mid-grey, display values."""

    def described(self) -> dict[str, object]:
        """All that decides it, JSON-able; a print only where there is one."""
        return {name: value for name, value in vars(self).items() if name != "print" or value}


LOOKS: dict[str, Look] = {
    "studio": Look(
        "clean and evenly lit",
        ambient=(0.42, 0.42, 0.42), ceiling=(2.6, 2.55, 2.45), window=(0.9, 0.95, 1.05),
        lamp=(0.3, 0.26, 0.2), glow=(1.2, 1.1, 0.6),
    ),
    "dusk": Look(
        "dim warm light from a lamp, sensor noise, soft focus",
        ambient=(0.060, 0.042, 0.034), ceiling=(0.12, 0.08, 0.05), window=(0.20, 0.11, 0.10),
        lamp=(1.05, 0.56, 0.22), glow=(1.6, 0.5, 0.35), sky=(1.0, 0.42, 0.28), shadow=0.8, vignette=0.5,
        exposure=(0.8, 1.3), blur=1, noise=0.045,
    ),
    "fog": Look(
        "fog that thickens with distance, and glare",
        ambient=(0.42, 0.44, 0.46), ceiling=(1.3, 1.35, 1.4), window=(1.0, 1.05, 1.15), lamp=(0.2, 0.2, 0.2),
        glow=(1.8, 1.8, 0.5), shadow=0.25, fog=(0.22, 0.48), air=(0.62, 0.66, 0.70), glare=0.35, noise=0.012,
    ),
    "neon": Look(
        "night, blue and magenta light, hard contrast, noise",
        ambient=(0.022, 0.024, 0.055), ceiling=(0.10, 0.16, 0.85), window=(1.25, 0.06, 0.75),
        lamp=(0.03, 0.55, 0.50), glow=(0.9, 0.5, 1.2), sky=(0.9, 0.1, 0.7), shadow=0.85, glare=0.2,
        vignette=0.3, exposure=(0.9, 1.5), saturation=1.15, contrast=1.15, noise=0.035,
    ),
    "faded": Look(
        "an old over-exposed print: washed out, colour cast, light leak",
        ambient=(0.66, 0.62, 0.56), ceiling=(2.8, 2.6, 2.3), window=(1.2, 1.15, 1.05), lamp=(0.4, 0.34, 0.26),
        glow=(1.2, 1.2, 0.6), shadow=0.35, exposure=(1.15, 1.7), saturation=0.4, contrast=0.5, lift=0.36,
        cast=(0.14, 0.09, 0.14), wash=0.35, noise=0.02,
    ),
    "ornate": Look(
        "every surface in a bold print of stripes and lozenges",
        ambient=(0.42, 0.42, 0.42), ceiling=(2.6, 2.55, 2.45), window=(0.9, 0.95, 1.05),
        lamp=(0.3, 0.26, 0.2), glow=(1.2, 1.1, 0.6), print=0.75,
    ),
}  # fmt: skip
"""By the name that follows ``rooms/``."""


def get_look(name: str) -> Look:
    """Look a look up by name.

    Raises:
        UserError: there is no such look.
    """
    if name not in LOOKS:
        raise UserError(f"Domain 'rooms' has no look {name!r}.", did_you_mean(name, LOOKS))
    return LOOKS[name]
