"""``cifar10``, ``cifar100``, ``cifar10c``, ``cifar100c`` and ``cifar10.1``: what they say about themselves."""

from ttt_bench.domains.family import Family, Layout

TEN = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
HUNDRED = (
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl", "boy",
    "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair", "chimpanzee", "clock",
    "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish", "forest",
    "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion", "lizard",
    "lobster", "man", "maple_tree", "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange", "orchid",
    "otter", "palm_tree", "pear", "pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine", "possum",
    "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper",
    "snail", "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank", "telephone",
    "television", "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf",
    "woman", "worm",
)  # fmt: skip
KINDS = (
    "gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "snow",
    "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate", "jpeg_compression", "speckle_noise",
    "gaussian_blur", "spatter", "saturate",
)  # fmt: skip
"""The fifteen published kinds and the four that are meant for validation; file names, never positions, tell them."""
SEVERITIES = (1, 2, 3, 4, 5)

CIFAR10 = Family(
    "cifar10",
    title="CIFAR-10: 50,000 + 10,000 small photographs, and subsets of them",
    tasks=("class",),
    classes=TEN,
    size=(32, 32),
    scaling="cifar10",
    layouts=(
        Layout(
            "cifar10-batches",
            holds="data_batch_1 to data_batch_5, test_batch and batches.meta",
            has=("data_batch_*|test_batch|batches.meta",),
            below=("cifar-10-batches-py",),
            opens="batches:cifar10",
            checklist="checklist:cifar10",
        ),
    ),
    download="the CIFAR page of the University of Toronto (the Python version), unpacked",
)
CIFAR100 = Family(
    "cifar100",
    title="CIFAR-100: 50,000 + 10,000 small photographs of a hundred kinds, and subsets of them",
    tasks=("class",),
    classes=HUNDRED,
    size=(32, 32),
    scaling="cifar100",
    layouts=(
        Layout(
            "cifar100-batches",
            holds="the files train, test and meta",
            fits="batches:is_cifar100",
            below=("cifar-100-python",),
            opens="batches:cifar100",
            checklist="checklist:cifar100",
        ),
    ),
    download="the CIFAR page of the University of Toronto (the Python version), unpacked",
)
CIFAR10C = Family(
    "cifar10c",
    title="CIFAR-10-C, the published files: CIFAR-10's test images corrupted",
    tasks=("class",),
    classes=TEN,
    members=KINDS,
    severities=SEVERITIES,
    splits=("test",),
    size=(32, 32),
    scaling="cifar10",
    layouts=(
        Layout(
            "cifar10c",
            holds="KIND.npy for each kind of corruption, and labels.npy with the labels 0 to 9",
            fits="corrupted:is_cifar10c",
            below=("CIFAR-10-C", "cifar10_c", "cifar-10-c", "test", "CIFAR-10-C/test", "cifar10_c/test"),
            opens="corrupted:cifar10c",
            checklist="checklist:cifar10c",
        ),
    ),
    download="Zenodo (CIFAR-10-C by D. Hendrycks), unpacked",
)
CIFAR100C = Family(
    "cifar100c",
    title="CIFAR-100-C, the published files: CIFAR-100's test images corrupted",
    tasks=("class",),
    classes=HUNDRED,
    members=KINDS,
    severities=SEVERITIES,
    splits=("test",),
    size=(32, 32),
    scaling="cifar100",
    layouts=(
        Layout(
            "cifar100c",
            holds="KIND.npy for each kind of corruption, and labels.npy with labels up to 99",
            fits="corrupted:is_cifar100c",
            below=("CIFAR-100-C", "cifar100_c", "cifar-100-c", "test", "CIFAR-100-C/test", "cifar100_c/test"),
            opens="corrupted:cifar100c",
            checklist="checklist:cifar100c",
        ),
    ),
    download="Zenodo (CIFAR-100-C by D. Hendrycks), unpacked",
)
CIFAR101 = Family(
    "cifar10.1",
    title="CIFAR-10.1: 2,000 new test images for CIFAR-10's classes (v6; v4 where only that is there)",
    tasks=("class",),
    classes=TEN,
    splits=("test",),
    size=(32, 32),
    scaling="cifar10",
    layouts=(
        Layout(
            "cifar10.1",
            holds="cifar10.1_v6_data.npy and cifar10.1_v6_labels.npy (or v4)",
            has=("cifar10.1_v6_data.npy|cifar10.1_v4_data.npy",),
            below=("datasets", "CIFAR-10.1", "CIFAR-10.1/datasets", "cifar10.1"),
            opens="arrays:Cifar101",
            checklist="checklist:cifar101",
        ),
    ),
    download="the repository CIFAR-10.1 of its authors (folder datasets)",
)
