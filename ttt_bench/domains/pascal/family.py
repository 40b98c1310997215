"""``pascal``: what PASCAL-Context says about itself."""

from ttt_bench.domains.family import Family, Layout

CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "table", "dog", "horse",
    "motorbike", "person", "potted plant", "sheep", "sofa", "train", "tv",
)  # fmt: skip
"""The VOC classes by id 1..20; dining table, pottedplant and tvmonitor under their canonical names."""

FAMILY = Family(
    "pascal",
    title="PASCAL-Context: 4998 + 5105 photographs of all kinds",
    tasks=("semseg", "normal", "edge"),
    classes=CLASSES,
    layouts=(
        Layout(
            "pascal",
            holds="JPEGImages/, pascal-context/, semseg/, normals_distill/ and ImageSets/Context/",
            has=("ImageSets", "JPEGImages|pascal-context"),
            below=("PASCALContext",),
            opens="reader:Pascal",
            checklist="checklist:checklist",
        ),
    ),
    download="the README of ATRC or InvPT on GitHub (the archive PASCALContext)",
)
