"""Where numbers come from, without saying where on the disk."""

import pytest

from ttt_bench.provenance import command


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
