"""Miniature trees of the real data sets: few files, drawn by ``rooms``, with every oddity that the readers must bear."""

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

from ttt_bench.domains.nyudv2 import frames as nyudv2
from ttt_bench.domains.pascal import reader as pascal
from ttt_bench.domains.rooms.domain import Rooms
from ttt_bench.domains.taskonomy import reader as taskonomy
from ttt_bench.domains.taskonomy.scenes import MODALITIES

SCENES = {"train": ("beechwood", "hanson"), "val": ("darden",), "test": ("ihlen",)}
VIEWS = 5
REGIONS = (440, 158, 427, 397, 284, 85, 34, 45, 18, 9, 2)
"""LabelMap ids of the rooms' classes; all but 427 and 397 (which are in it too) stand for themselves."""


def draw(index, size):
    """A sample of rooms and its labels."""
    return Rooms(("studio", "dusk")[index % 2], size).sample("train", index)


def encode(normal, signs):
    """Unit vectors (3, H, W) as pixels (H, W, 3)."""
    vectors = np.moveaxis(normal, 0, -1) * np.array(signs, np.float32)
    return np.rint((vectors + 1) * 127.5).astype(np.uint8)


def ids_by_name(semseg, names, first, void):
    """The rooms' class ids as the ids of another set, ``first`` + position in ``names``."""
    table = np.full(256, void, np.uint8)
    for position, name in enumerate(Rooms("studio").classes):
        if name in names:
            table[position] = first + names.index(name)
    return table[semseg]


def save(pixels, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def make_package(root, train=12, test=9, size=(85, 112), signs=(1, 1, 1)):
    """NYUD-v2 as ATRC and InvPT have it; the first image has an upper-case extension, the first depth a hole."""
    names = [f"{i:04}" for i in range(train + test)]
    for i, name in enumerate(names):
        sample = draw(i, size)
        save(sample.image, root / f"images/{name}.{'PNG' if i == 0 else 'png'}")
        ids = ids_by_name(sample.labels["semseg"], nyudv2.NAMES, 1, 0)
        ids[0, :5] = 40
        save(ids, root / f"segmentation/{name}.png")
        save(encode(sample.labels["normal"], signs), root / f"normals/{name}.png")
        save((sample.labels["edge"][0] * 255).astype(np.uint8), root / f"edge/{name}.png")
        depth = sample.labels["depth"][0].copy()
        depth[:3, :4] = 0 if i else np.nan
        (root / "depth").mkdir(exist_ok=True)
        np.save(root / f"depth/{name}.npy", depth)
    (root / "gt_sets").mkdir()
    (root / "gt_sets/train.txt").write_text("\n".join(names[:train]) + "\n")
    (root / "gt_sets/val.txt").write_text("\n".join(names[train:]) + "\n\n")
    return root


def make_frames(root, train=3, test=2):
    """NYUD-v2 as plain labelled frames of half size."""
    names = [f"{i:04}" for i in range(train + test)]
    for i, name in enumerate(names):
        sample = draw(i, (120, 160))
        twice = [np.repeat(np.repeat(a, 2, 0), 2, 1) for a in (sample.image, sample.labels["semseg"])]
        depth = np.repeat(np.repeat(sample.labels["depth"][0], 2, 0), 2, 1)
        save(twice[0], root / f"image/{name}.jpg")
        save(np.rint(depth * 1000).astype(np.uint16), root / f"depth/{name}.png")
        save(ids_by_name(twice[1], nyudv2.NAMES, 1, 0), root / f"label40/{name}.png")
    (root / "splits").mkdir()
    (root / "splits/train.txt").write_text("\n".join(names[:train]))
    (root / "splits/val.txt").write_text("\n".join(names[train:]))
    return root


def make_pascal(root, train=12, test=9):
    """PASCAL-Context: images of several shapes, segmentation in two folders, normals at half size for one image."""
    names = [f"2008_{i:06}" for i in range(train + test)]
    for i, name in enumerate(names):
        size = ((60, 80), (75, 50), (64, 64))[i % 3]
        sample = draw(i, size)
        save(sample.image, root / f"JPEGImages/{name}.{'JPG' if i == 0 else 'jpg'}")
        semseg = ids_by_name(sample.labels["semseg"], pascal.CLASSES, 1, 0)
        semseg[:2] = 255
        save(semseg, root / f"semseg/{'VOC12' if i % 4 else 'pascal-context'}/{name}.png")
        regions = np.array(REGIONS, np.uint16)[np.where(sample.labels["semseg"] == 255, 0, sample.labels["semseg"] + 1)]
        (root / "pascal-context/trainval").mkdir(parents=True, exist_ok=True)
        savemat(root / f"pascal-context/trainval/{name}.mat", {"LabelMap": regions}, do_compression=True)
        normals = encode(sample.labels["normal"], (1, 1, 1))
        save(normals[::2, ::2] if i == 2 else normals, root / f"normals_distill/{name}.png")
    (root / "ImageSets/Context").mkdir(parents=True)
    (root / "ImageSets/Context/train.txt").write_text("\n".join(names[:train]))
    (root / "ImageSets/Context/val.txt").write_text("\n".join(names[train:]))
    return root


def make_taskonomy(root, scenes=None, views=VIEWS, size=(64, 64)):
    """Taskonomy with scenes of its own choice; one hole in the scans of the first view of each scene."""
    scenes = SCENES if scenes is None else scenes
    data = root / "taskonomy/data"
    index = 0
    for names in scenes.values():
        for scene in names:
            for view in range(views):
                index += 1
                for modality, pixels in taskonomy_files(index, size, hole=view == 0).items():
                    # Views 9 and 10 sort differently as text and as numbers.
                    stem = f"point_{view // 3}_view_{9 + view % 3}_domain_{modality.replace('segment_', 'segment')}"
                    end = "PNG" if (view, modality) == (1, "normal") else "png"
                    save(pixels, data / modality / "taskonomy" / scene / f"{stem}.{end}")
    table = ["id,train,val,test"]
    for split, names in scenes.items():
        table += [",".join([name, *(str(int(split == s)) for s in scenes)]) for name in names]
    (data / "splits_taskonomy").mkdir(parents=True)
    (data / "splits_taskonomy/train_val_test_tiny.csv").write_text("\n".join(table) + "\n")
    return root


def taskonomy_files(index, size, hole):
    sample = draw(index, size)
    depth = np.rint(sample.labels["depth"][0] * 512).astype(np.uint16)
    if hole:
        depth[10:20, 10:20] = 65535
    pixels = (
        sample.image,
        encode(sample.labels["normal"], (1, -1, 1)),
        depth,
        (sample.labels["edge"][0] * 3000 + 100).astype(np.uint16),
        ids_by_name(sample.labels["semseg"], taskonomy.CLASSES, 2, 1),
    )
    return dict(zip(MODALITIES, pixels, strict=True))


MAKERS = {
    "nyudv2-package": make_package, "nyudv2-frames": make_frames, "pascal": make_pascal, "taskonomy": make_taskonomy,
}  # fmt: skip


def only(folder: Path, pattern: str) -> Path:
    """The first file of a pattern, sorted."""
    return sorted(folder.glob(pattern))[0]


LAYOUT_NAMES = tuple(MAKERS)


def make_mat(path, size=(480, 640)):
    """nyu_depth_v2_labeled.mat with three frames, its mapping and its split; HDF5 reverses MATLAB's axes."""
    import h5py

    samples = [draw(i, size) for i in range(3)]
    path.parent.mkdir(parents=True, exist_ok=True)
    # Of the 894 classes only as many as the rooms have: class k + 1 is the rooms' class k.
    labels = [np.where(s.labels["semseg"] == 255, 0, s.labels["semseg"] + 1).astype(np.uint16) for s in samples]
    with h5py.File(path, "w") as file:
        file["images"] = np.stack([s.image.transpose(2, 1, 0) for s in samples])
        file["depths"] = np.stack([s.labels["depth"][0].T for s in samples])
        file["labels"] = np.stack([ids.T for ids in labels])
    classes = Rooms("studio").classes
    mapping = [[nyudv2.NAMES.index(name) + 1 if name in nyudv2.NAMES else 40 for name in classes]]
    savemat(path.with_name("classMapping40.mat"), {"mapClass": np.array(mapping, np.uint8)})
    savemat(path.with_name("splits.mat"), {"trainNdxs": np.array([[1], [3]]), "testNdxs": np.array([[2]])})
    return path
