"""Where numbers come from, without saying where on the disk."""

import pytest

from ttt_bench.provenance import command, with_folders


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["sweep", "--pairs", "rooms/studio->rooms/fog"], "sweep --pairs 'rooms/studio->rooms/fog'"),
        (["sweep", "--data", "nyudv2=/data/sets/NYUDv2"], "sweep --data nyudv2=.../NYUDv2"),
        (["sweep", "--out", "/home/someone/results/x"], "sweep --out .../x"),
        (["sweep", "--data", "nyudv2=/home/a=b/x"], "sweep --data nyudv2=.../x"),
        (["sweep", "--method", "/home/me/a.py,/home/me/b c.py"], "sweep --method '.../a.py,.../b c.py'"),
        (["report", "results/main"], "report results/main"),
        (["sweep", "--method=/a b/mine.py"], "sweep --method=.../mine.py"),
    ],
)
def test_a_command_keeps_only_the_last_name_of_a_folder(monkeypatch, words, expected):
    monkeypatch.setattr("sys.argv", ["/usr/bin/x", *words])
    assert command() == f"python -m ttt_bench {expected}"


def test_what_is_to_be_pasted_has_its_folders_back(monkeypatch):
    words = ["sweep", "--out", "/home/some one/x", "--data", "nyudv2=/data/a,/data/b", "--cache", "/x/cache"]
    monkeypatch.setattr("sys.argv", ["/usr/bin/x", *words])
    assert with_folders(command()) == (
        "python -m ttt_bench sweep --out '/home/some one/x' --data nyudv2=/data/a,/data/b --cache /x/cache"
    )
    assert with_folders("status --out .../y --cache .../cache2") == "status --out .../y --cache .../cache2"
