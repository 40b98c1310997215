"""``nyudv2``: what NYU Depth V2 says about itself."""

from ttt_bench.domains.family import Family, Layout

CLASSES = (
    "wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture",
    "counter", "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror", "floor mat", "clothes",
    "ceiling", "books", "refrigerator", "tv", "paper", "towel", "shower curtain", "box", "whiteboard", "person",
    "night stand", "toilet", "sink", "lamp", "bathtub", "bag", "otherstructure", "otherfurniture",
)  # fmt: skip
"""By file id 1..39, with refridgerator and television under their canonical names; without otherprop, id 40: the
plain frames cannot tell it from void in training (README of the frames), so no network could learn it; it counts
as void in every split."""

FAMILY = Family(
    "nyudv2",
    title="NYU Depth V2: 795 + 654 labelled frames of real rooms",
    tasks=("semseg", "depth", "normal", "edge"),
    classes=CLASSES,
    layouts=(
        Layout(
            "nyudv2-package",
            holds="images/, segmentation/, depth/, normals/, edge/ and gt_sets/",
            has=("gt_sets",),
            below=("NYUDv2",),
            opens="package:NYUDv2Package",
            checklist="checklist:package",
        ),
        Layout(
            "nyudv2-frames",
            holds="image/, depth/, label40/ and splits/",
            has=("splits", "label40|image"),
            opens="frames:NYUDv2",
            checklist="checklist:frames",
        ),
    ),
    download="the README of ATRC or InvPT on GitHub (the archive NYUDv2), or from the NYU Depth V2 page of New York "
    "University (nyu_depth_v2_labeled.mat, then `python -m ttt_bench data prepare nyudv2`)",
)
