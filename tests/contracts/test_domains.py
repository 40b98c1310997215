"""What every family of domains must hold, run over all that are found and can be opened here."""

import numpy as np
import pytest
from domains import class_trees, test_folder, trees

from ttt_bench.domains.catalogue import families, open_domain
from ttt_bench.domains.contract import SPLITS
from ttt_bench.domains.disk.checklists import check_found, sample_fault
from ttt_bench.domains.disk.layouts import recognise
from ttt_bench.domains.finding import resolve
from ttt_bench.domains.normalisation import SCALINGS
from ttt_bench.tasks import get_task

MAKERS = {
    "nyudv2": trees.make_package, "pascal": trees.make_pascal, "taskonomy": trees.make_taskonomy,
    "cifar10": class_trees.make_cifar10, "cifar100": class_trees.make_cifar100, "cifar10c": class_trees.make_cifarc,
    "cifar100c": lambda root: class_trees.make_cifarc(root, classes=100), "cifar10.1": class_trees.make_cifar101,
    "tinyimagenet": class_trees.make_tiny, "tinyimagenetc": class_trees.make_tinyc, "visda": class_trees.make_visda,
    "folder": lambda root: test_folder.make_classes(root, "table"),
}  # fmt: skip
MEMBERS = {"cifar10c": "fog-5", "cifar100c": "fog-5", "tinyimagenetc": "fog-5"}


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    place = tmp_path_factory.mktemp("families")
    return {name: make(place / name) for name, make in MAKERS.items()}


def test_every_family_on_disk_has_a_tree_here():
    assert {name for name, family in families().items() if family.needs_root} == set(MAKERS)


@pytest.mark.parametrize("name", sorted(families()))
def test_declaration_and_reader_agree(name, roots):
    family = families()[name]
    member = MEMBERS.get(name) or next(iter(family.titles()), "")
    domain = open_domain(f"{name}/{member}" if member else name, (64, 64), roots if family.needs_root else {})
    assert domain.name == (f"{name}/{member}" if member else name)
    assert set(domain.tasks) <= set(family.tasks)
    assert family.classes in ((), domain.classes)
    assert domain.scaling == family.scaling
    assert family.scaling in SCALINGS
    assert all(domain.length(split) == 0 for split in SPLITS if split not in family.splits)
    assert domain.length("test") > 0
    for split in (split for split in SPLITS if domain.length(split)):
        sample, again = domain.sample(split, 0), domain.sample(split, 0)
        assert sample_fault(domain, sample) == ""
        np.testing.assert_array_equal(sample.image, again.image)
        for task, label in sample.labels.items():
            assert label.shape == get_task(task).label.shape(domain.size)
            np.testing.assert_array_equal(label, again.labels[task])
        with pytest.raises(IndexError):
            domain.sample(split, domain.length(split))
    assert domain.fingerprint() == domain.fingerprint()


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_the_check_knows_the_tree_and_finds_nothing_wrong(name, roots):
    (found,) = recognise(roots[name])
    assert found.family.name == name
    assert check_found(found).problems == []


@pytest.mark.parametrize("name", sorted(families()))
def test_every_reference_leads_somewhere(name):
    family = families()[name]
    references = [
        family.opens,
        *(r for layout in family.layouts for r in (layout.opens, layout.fits, layout.checklist)),
    ]
    for reference in filter(None, references):
        assert callable(resolve(family, reference))


def test_looks_are_declared_as_they_are():
    from ttt_bench.domains.rooms.looks import LOOKS
    from ttt_bench.domains.rooms.worlds import WORLDS

    looks = {look: about.title for look, about in LOOKS.items()}
    assert families()["objects"].titles() == looks
    rooms = families()["rooms"].titles()
    assert {name: title for name, title in rooms.items() if name not in WORLDS} == looks
    assert rooms.keys() == {*LOOKS, *WORLDS}
