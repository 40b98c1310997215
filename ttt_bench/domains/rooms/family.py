"""``rooms/<look>``: what the procedural rooms say about themselves."""

from ttt_bench.domains.family import Family

CLASSES = (
    "refrigerator", "table", "toilet", "sofa", "bed", "sink", "chair", "tv", "bottle", "potted plant",
)  # fmt: skip

FAMILY = Family(
    "rooms",
    title="procedural rooms",
    tasks=("semseg", "depth", "normal", "edge"),
    classes=CLASSES,
    members=(
        "studio: clean and evenly lit",
        "dusk: dim warm light from a lamp, sensor noise, soft focus",
        "fog: fog that thickens with distance, and glare",
        "neon: night, blue and magenta light, hard contrast, noise",
        "faded: an old over-exposed print: washed out, colour cast, light leak",
        "ornate: every surface in a bold print of stripes and lozenges",
        "cctv: a wide-angle camera under the ceiling that looks down steeply",
        "crawl: a camera a hand above the floor that looks up",
        "loft: furniture of other shapes, in other company and numbers",
        "clutter: cartons, crates, balls and paper lanterns in front of the furniture",
    ),
    opens="domain:Rooms",
    stands_in="taskonomy",
)
