import subprocess
import sys

import pytest

from ttt_bench.domains.catalogue import environment_variable, list_domains, open_domain
from ttt_bench.errors import UserError


def test_lists_every_domain():
    entries = {entry.name: entry for entry in list_domains()}
    assert {
        "rooms/studio", "rooms/dusk", "rooms/fog", "rooms/neon", "rooms/faded", "nyudv2", "pascal", "taskonomy",
        "objects/studio", "cifar10", "cifar10c/fog-5", "cifar100c/spatter-1", "cifar10.1", "visda/train",
    } <= set(entries)  # fmt: skip
    assert entries["nyudv2"].needs_root
    assert not entries["rooms/fog"].needs_root
    assert all(entry.description and entry.tasks for entry in entries.values())


def test_listed_facts_are_those_of_the_domain():
    for entry in list_domains():
        if not entry.needs_root:
            domain = open_domain(entry.name, (32, 32))
            assert (domain.name, domain.tasks, domain.classes) == (entry.name, entry.tasks, entry.classes)
            assert domain.edge_definition or "edge" not in domain.tasks


def test_listing_and_opening_load_nothing_heavy():
    code = (
        "import sys\n"
        "from ttt_bench.domains.catalogue import list_domains, open_domain\n"
        "from ttt_bench.domains.pairs import parse_pair\n"
        "list_domains(); parse_pair('rooms/studio->rooms/fog', (64, 64))\n"
        "print([m for m in ('torch', 'scipy', 'PIL', 'pandas', 'matplotlib') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_opens_domains_and_corruptions_by_name():
    assert open_domain("rooms/studio", (32, 48)).size == (32, 48)
    assert open_domain("rooms/fog+fog:5", (32, 32)).name == "rooms/fog+fog:5"
    twice = open_domain("rooms/studio + fog:1 + jpeg_compression:2", (32, 32))
    assert twice.name == "rooms/studio+fog:1+jpeg_compression:2"


@pytest.mark.parametrize(
    ("spec", "message", "hint"),
    [
        ("rooms/studo", "no member 'studo'", "Did you mean 'studio'"),
        ("rooms", "with one of its members", "studio"),
        ("rooms/", "with one of its members", "studio"),
        ("nyudv3", "Unknown domain 'nyudv3'", "Did you mean 'nyudv2'"),
        ("", "Unknown domain ''", "Valid"),
        ("rooms/studio+fogg:5", "Unknown corruption 'fogg'", "Did you mean 'fog'"),
        ("rooms/studio+fog:6", "no severity 6", "1 (mild) to 5"),
        ("rooms/studio+fog:0", "no severity 0", "1 (mild) to 5"),
        ("rooms/studio+fog:-1", "no severity -1", "1 (mild) to 5"),
        ("rooms/studio+fog", "a corruption and its severity, not 'fog'", "+fog:5"),
        ("rooms/studio+", "a corruption and its severity, not ''", "+fog:5"),
        ("rooms/studio+fog:high", "not 'fog:high'", "+fog:5"),
    ],
)
def test_explains_what_is_wrong_with_a_name(spec, message, hint):
    with pytest.raises(UserError) as error:
        open_domain(spec, (32, 32))
    assert message in error.value.message
    assert hint in error.value.hint


def test_says_how_to_give_a_missing_root(monkeypatch, tmp_path):
    monkeypatch.delenv("TTT_BENCH_NYUDV2", raising=False)
    with pytest.raises(UserError, match="where its files are") as error:
        open_domain("nyudv2", (64, 64))
    assert "--data nyudv2=" in error.value.hint
    assert "TTT_BENCH_NYUDV2" in error.value.hint
    with pytest.raises(UserError, match=r"--data nyudv2=.*no such folder"):
        open_domain("nyudv2+fog:5", (64, 64), {"nyudv2": tmp_path / "absent"})
    monkeypatch.setenv("TTT_BENCH_NYUDV2", str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"TTT_BENCH_NYUDV2=.*nowhere"):
        open_domain("nyudv2", (64, 64))


def test_names_the_environment_variable():
    assert environment_variable("nyudv2") == "TTT_BENCH_NYUDV2"
    assert environment_variable("pascal-context") == "TTT_BENCH_PASCAL_CONTEXT"


def test_opens_each_domain_once():
    assert open_domain("rooms/fog+fog:5", (32, 32)) is open_domain(" rooms/fog + fog:5", (32, 32))
    assert open_domain("rooms/fog", (32, 32)) is not open_domain("rooms/fog", (32, 48))


@pytest.mark.parametrize(
    ("spec", "message", "hint"),
    [
        ("cifar10c/fog", "no member 'fog'", "Did you mean 'fog-"),
        ("cifar10c/fog-6", "no member 'fog-6'", "fog-1..5"),
        ("cifar10c", "one of its members, such as cifar10c/gaussian_noise-1", "fog-1..5"),
        ("cifar10/fog", "is one domain", "Write cifar10."),
    ],
)
def test_explains_names_with_severities(spec, message, hint):
    with pytest.raises(UserError) as error:
        open_domain(spec, (32, 32))
    assert message in error.value.message
    assert hint in error.value.hint
    assert len(error.value.hint) < 600, "a hundred domains are not written out"
