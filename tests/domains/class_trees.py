"""Miniature copies of the class track's data sets, in every layout that their users have."""

import pickle

import numpy as np
from PIL import Image

from ttt_bench.domains.cifar.family import HUNDRED, TEN

WNIDS = ("n02124075", "n01443537", "n04067472")
"""Not sorted, as in wnids.txt."""


def drawn(label, seed, side=32):
    """A picture whose colour tells its label."""
    label = int(label)
    rng = np.random.default_rng((label, seed))
    colour = np.array([37 * label % 200 + 30, 91 * label % 200 + 30, 150 - 5 * (label % 20)])
    return np.clip(colour + rng.normal(0, 12, (side, side, 3)), 0, 255).astype(np.uint8)


def stack(labels, seed=0, side=32):
    return np.stack([drawn(label, seed + i, side) for i, label in enumerate(labels)])


def batch(labels, seed, key="labels", as_bytes=False, **more):
    flat = stack(labels, seed).transpose(0, 3, 1, 2).reshape(len(labels), -1)
    content = {"data": flat, key: list(labels), "batch_label": "a batch", **more}
    return {k.encode(): v for k, v in content.items()} if as_bytes else content


def dump(content, path, protocol=2):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol))


def make_cifar10(root, per_batch=20, batches=5, as_bytes=False, names=TEN, protocol=2):
    for k in range(batches):
        labels = [i % 10 for i in range(per_batch)]
        dump(batch(labels, 100 * k, as_bytes=as_bytes), root / f"data_batch_{k + 1}", protocol)
    dump(batch([i % 10 for i in range(30)], 900, as_bytes=as_bytes), root / "test_batch", protocol)
    dump({"label_names": list(names), "num_vis": 3072}, root / "batches.meta", protocol)
    return root


def make_cifar100(root):
    labels = [(7 * i) % 100 for i in range(40)]
    more = {"coarse_labels": [0] * 40, "filenames": ["x.png"] * 40}
    for name, seed in (("train", 0), ("test", 500)):
        dump(batch(labels, seed, "fine_labels", **more), root / name)
    dump({"fine_label_names": list(HUNDRED), "coarse_label_names": ["a"]}, root / "meta")
    return root


def make_cifarc(root, kinds=("fog", "snow", "spatter"), count=12, classes=10):
    root.mkdir(parents=True, exist_ok=True)
    labels = np.array([(classes - 1 - i) % classes for i in range(count)], np.uint8)
    for k, kind in enumerate(kinds):
        np.save(root / f"{kind}.npy", np.concatenate([stack(labels, 1000 * k + 50 * s) for s in range(5)]))
    np.save(root / "labels.npy", np.tile(labels, 5))
    return root


def make_cifar101(root, version="v6"):
    root.mkdir(parents=True, exist_ok=True)
    labels = np.arange(12, dtype=np.int32) % 10
    np.save(root / f"cifar10.1_{version}_data.npy", stack(labels))
    np.save(root / f"cifar10.1_{version}_labels.npy", labels)
    return root


def save_picture(pixels, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=95)


def make_tiny(root, sorted_val=False, images=True, per_class=12):
    inner = "images/" if images else ""
    lines = []
    for wnid in WNIDS:
        label = sorted(WNIDS).index(wnid)
        for i in range(per_class):
            save_picture(drawn(label, i, 64), root / f"train/{wnid}/{inner}{wnid}_{i}.JPEG")
        (root / f"train/{wnid}/{wnid}_boxes.txt").write_text("x\t0\t0\t1\t1\n")
        for i in range(4):
            name = f"val_{len(lines)}.JPEG"
            lines.append(f"{name}\t{wnid}\t0\t0\t63\t63")
            place = root / (f"val/{wnid}/{inner}{name}" if sorted_val else f"val/images/{name}")
            save_picture(drawn(label, 70 + i, 64), place)
    grey = np.asarray(Image.fromarray(drawn(1, 3, 64)).convert("L"))
    save_picture(grey, root / f"train/{WNIDS[0]}/{inner}{WNIDS[0]}_0.JPEG")
    if not sorted_val:
        (root / "val/val_annotations.txt").write_text("\n".join(lines) + "\n")
    (root / "wnids.txt").write_text("\n".join(WNIDS) + "\n")
    return root


def make_tinyc(root, kinds=("fog", "frost")):
    for kind in kinds:
        for severity in range(1, 6):
            for label, wnid in enumerate(sorted(WNIDS)):
                for i in range(2):
                    save_picture(drawn(label, i + severity, 64), root / f"{kind}/{severity}/{wnid}/test_{i}.JPEG")
    return root


def make_visda(root, test_list=True):
    from ttt_bench.domains.visda.family import CLASSES

    lines = []
    for label, name in enumerate(CLASSES):
        for i in range(10):
            save_picture(drawn(label, i, 40), root / f"train/{name}/r_{i}.png")
        save_picture(drawn(label, 50, 40), root / f"validation/{name}/p.jpg")
        save_picture(drawn(label, 60, 40), root / f"test/trunk00/{label}.jpg")
        lines.append(f"trunk00/{label}.jpg {label}")
    if test_list:
        (root / "test/image_list.txt").write_text("\n".join(lines))
    return root


def names_its_class(domain, sample):
    """Whether the picture has the colour of its label: a shuffled reading cannot pass."""
    expected = drawn(int(sample.labels["class"]), 0).mean((0, 1))
    return bool(np.abs(sample.image.mean((0, 1)) - expected).max() < 15)
