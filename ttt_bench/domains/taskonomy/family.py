"""``taskonomy``: what Taskonomy (tiny) says about itself."""

from ttt_bench.domains.family import Family, Layout

CLASSES = (
    "bottle", "chair", "sofa", "potted plant", "bed", "table", "toilet", "tv", "microwave", "oven", "toaster", "sink",
    "refrigerator", "book", "clock", "vase",
)  # fmt: skip
"""File ids 2..17 (0 = uncertain, 1 = background), couch and dining table under their canonical names."""

FAMILY = Family(
    "taskonomy",
    title="Taskonomy tiny: scans of 25 + 5 + 5 real buildings",
    tasks=("semseg", "depth", "normal", "edge"),
    classes=CLASSES,
    layouts=(
        Layout(
            "taskonomy",
            holds="rgb/, normal/, depth_zbuffer/, edge_occlusion/ and segment_semantic/",
            fits="scenes:find_base",
            opens="reader:Taskonomy",
            checklist="checklist:checklist",
        ),
    ),
    download="the Taskonomy page of Stanford and EPFL, through its download tool omnidata-tools (subset tiny)",
)
