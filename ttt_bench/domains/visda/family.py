"""``visda/<part>``: what VisDA-C says about itself."""

from ttt_bench.domains.family import Family, Layout

CLASSES = (
    "aeroplane", "bicycle", "bus", "car", "horse", "knife", "motorcycle", "person", "plant", "skateboard", "train",
    "truck",
)  # fmt: skip

FAMILY = Family(
    "visda",
    title="VisDA-C",
    tasks=("class",),
    classes=CLASSES,
    members=(
        "train: 152,397 renders, the source (of every ten, one is validation and one test)",
        "validation: 55,388 photographs, a target",
        "test: 72,372 photographs, a target",
    ),
    layouts=(
        Layout(
            "visda",
            holds="train/<class>/, validation/<class>/ and test/ with image_list.txt",
            fits="reader:is_visda",
            below=("visda", "VisDA-C", "visda-c"),
            opens="reader:visda",
            checklist="checklist:checklist",
        ),
    ),
    download="the page of the VisDA-2017 challenge (classification), unpacked",
)
