"""The audit of strategies holds, and fails for one that looks where it may not."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ttt_bench.selection.apart import require_apart, shared_images
from ttt_bench.selection.candidates import GRID
from ttt_bench.selection.evidence import AllTargetLabels, OtherTargets
from ttt_bench.selection.ledger import evidence_for
from ttt_bench.selection.proof import PAIRS, prove
from ttt_bench.selection.question import among, questions_of
from ttt_bench.selection.strategies.catalogue import STRATEGIES, parse_strategies
from ttt_bench.selection.strategies.with_target_labels import Oracle


def test_every_strategy_sees_what_it_declares_and_no_more(tmp_path):
    proofs = prove(tmp_path)
    assert [f"{p.strategy}: {p.what}: {p.problem}" for p in proofs if p.problem] == []
    assert {p.strategy for p in proofs} == {*STRATEGIES, "proxies"} - {"published"}


def test_a_strategy_that_sees_target_labels_unsaid_is_found_out(tmp_path):
    class Cheat(Oracle):
        name = "cheat"
        labels = "none"

    problems = [p.what for p in prove(tmp_path, {"cheat": Cheat()}) if p.problem]
    assert problems == ["Labels of its target do not reach it"]


def questions():
    from ttt_bench.method.registry import parse_methods
    from ttt_bench.plan.plan import make_plan
    from ttt_bench.plan.sweep import SweepConfig

    config = SweepConfig((*PAIRS, "rooms/studio -> rooms/fog"), tuple(parse_methods("tent,clust3")), seeds=(0, 1))
    return among(questions_of(make_plan(config), "native", {}))


def test_a_pair_is_never_among_its_others():
    for question in questions():
        assert len(question.others) == 2
        for other in question.others:
            assert other.cell.target_fingerprint != question.cell.target_fingerprint
            assert (other.cell.method, other.cell.seed) == (question.cell.method, question.cell.seed)


def test_evidence_holds_only_what_was_declared():
    kinds = {name: strategy.sees.__name__ for name, strategy in STRATEGIES.items()}
    assert kinds == {
        "published": "Nothing", "source-shift": "CorruptedSource", "source-accuracy": "CleanSource",
        "entropy": "TargetImages", "consistency": "TargetImages", "snd": "TargetImages", "cross-task": "TargetImages",
        "other-pairs": "OtherTargets", "few-labels:16": "SomeTargetLabels", "oracle": "AllTargetLabels",
    }  # fmt: skip
    assert not hasattr(OtherTargets({}), "signals")
    assert not hasattr(AllTargetLabels({}), "ledger")


def test_shared_images_are_found_by_their_pixels():
    from ttt_bench.domains.catalogue import open_domain

    domain = open_domain("rooms/studio", (32, 32))
    train = [domain.sample("train", index).image for index in range(4)]
    held_out = [domain.sample("val", 0).image, train[2].copy(), domain.sample("val", 1).image]
    assert shared_images(iter(train), iter(held_out)) == [1]


@dataclass
class Doubled:
    """A domain whose held-out image is a training image."""

    inner: object
    size: tuple = (32, 32)

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def sample(self, split, index):
        return self.inner.sample("train", index)


def test_a_choice_on_training_images_is_refused(tmp_path, monkeypatch):
    from ttt_bench.domains.catalogue import open_domain
    from ttt_bench.errors import UserError
    from ttt_bench.selection import apart

    source = questions()[0].cell.source
    source = replace(source, training=replace(source.training, samples=4), size=(32, 32))
    require_apart(source, 3, {}, tmp_path)
    assert len(list((tmp_path / "apart").glob("*.json"))) == 1
    monkeypatch.setattr(apart, "open_domain", lambda *_: Doubled(open_domain("rooms/studio", (32, 32))))
    with pytest.raises(UserError, match="3 of 3 held-out images"):
        require_apart(source, 3, {}, tmp_path / "other")


def test_strategies_are_read_by_name_and_the_oracle_is_always_there():
    from ttt_bench.errors import UserError

    assert [s.name for s in parse_strategies("entropy,few-labels:8")] == ["entropy", "few-labels:8", "oracle"]
    for wrong in ("entropie", "few-labels:0", "few-labels:x", "entropy,entropy", ""):
        with pytest.raises(UserError):
            parse_strategies(wrong)


def test_evidence_is_of_the_declared_kind(tmp_path):
    from ttt_bench.report.runs import chosen_metrics
    from ttt_bench.selection.ledger import Ledger
    from ttt_bench.store.folder import SweepFolder

    ledger = Ledger(SweepFolder(Path(tmp_path)), chosen_metrics(None))
    for strategy in STRATEGIES.values():
        assert type(evidence_for(strategy, questions()[0], ledger)) is strategy.sees


def test_a_trial_is_made_once_however_many_strategies_ask_for_it():
    [question, *_] = questions()
    for where in ("target", "proxies", "clean"):
        for asked, place in question.places(where):
            assert asked.trial(place, GRID[0]) is asked.trial(place, GRID[0])
            assert asked.trial(place, GRID[0]).id != asked.trial(place, GRID[1]).id
