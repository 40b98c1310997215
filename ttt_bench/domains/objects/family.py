"""``objects/<look>``: what single pieces of furniture say about themselves."""

from ttt_bench.domains.family import Family

CLASSES = (
    "refrigerator", "table", "toilet", "sofa", "bed", "sink", "chair", "tv", "bottle", "potted plant",
)  # fmt: skip

FAMILY = Family(
    "objects",
    title="one procedural piece of furniture an image",
    tasks=("class",),
    classes=CLASSES,
    members=(
        "studio: clean and evenly lit",
        "dusk: dim warm light from a lamp, sensor noise, soft focus",
        "fog: fog that thickens with distance, and glare",
        "neon: night, blue and magenta light, hard contrast, noise",
        "faded: an old over-exposed print: washed out, colour cast, light leak",
        "ornate: every surface in a bold print of stripes and lozenges",
    ),
    opens="domain:Objects",
)
