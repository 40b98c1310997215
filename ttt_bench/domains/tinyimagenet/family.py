"""``tinyimagenet`` and ``tinyimagenetc``: what they say about themselves."""

from ttt_bench.domains.family import Family, Layout

KINDS = (
    "gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "snow",
    "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate", "jpeg_compression", "speckle_noise",
    "gaussian_blur", "spatter", "saturate",
)  # fmt: skip

TINY = Family(
    "tinyimagenet",
    title="TinyImageNet: 100,000 + 10,000 photographs of 200 kinds",
    tasks=("class",),
    size=(64, 64),
    layouts=(
        Layout(
            "tinyimagenet",
            holds="train/<wnid>/images/, and val/images/ with val/val_annotations.txt (or val/<wnid>/)",
            fits="reader:is_tiny",
            below=("tiny-imagenet-200",),
            opens="reader:TinyImageNet",
            checklist="checklist:tiny",
        ),
    ),
    download="the page of the Stanford course CS231n (tiny-imagenet-200), unpacked",
)
TINY_C = Family(
    "tinyimagenetc",
    title="TinyImageNet-C, the published files: TinyImageNet's validation images corrupted",
    tasks=("class",),
    members=KINDS,
    severities=(1, 2, 3, 4, 5),
    splits=("test",),
    size=(64, 64),
    layouts=(
        Layout(
            "tinyimagenetc",
            holds="<kind>/<severity>/<wnid>/ with pictures",
            fits="reader:is_corrupted",
            below=("Tiny-ImageNet-C", "tiny-imagenet-c", "TinyImageNet-C"),
            opens="reader:corrupted",
            checklist="checklist:corrupted_files",
        ),
    ),
    download="Zenodo (Tiny-ImageNet-C by D. Hendrycks), unpacked",
)
