"""A run that is stopped between two updates goes on bit for bit as if nothing had happened."""

import inspect
from pathlib import Path

import numpy as np
import pytest
import torch

from ttt_bench.adaptation import savepoint as savepoints
from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.adaptation.protocols import run_protocol
from ttt_bench.adaptation.savepoint import Savepoint
from ttt_bench.adaptation.snapshot import _same_bits
from ttt_bench.adaptation.stream import open_stream
from ttt_bench.cell import run as cell_run
from ttt_bench.domains.catalogue import open_domain
from ttt_bench.domains.streams import STREAMS
from ttt_bench.method import registry
from ttt_bench.method.card import OptimizerSpec
from ttt_bench.method.contract import Model
from ttt_bench.networks.catalogue import make_network
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.samples.joined import JoinedSamples
from ttt_bench.samples.loading import SampleSet
from ttt_bench.source.training import network_outputs

STEPS, EVAL_STEPS = 4, (0, 1, 3, 4)
EXACT = ("loss", "forwards", "backwards")


class Stopped(Exception):  # noqa: N818
    """What a preemption looks like from inside."""


@pytest.fixture(scope="module")
def samples():
    domain = open_domain("rooms/fog", (32, 32), {})
    return SampleSet(domain, "test", 12, domain.classes, None)


@pytest.fixture(autouse=True)
def _save_at_every_update(monkeypatch):
    monkeypatch.setattr(savepoints, "SAVE_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(savepoints, "BUSY_SHARE", 1e9)


def make(samples, name, options=None, optimizer=None):
    """A fresh adapter over ``samples``, always from the same weights."""
    method = registry.create(name, options)
    domain = samples.domain
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = make_network(NetworkConfig("resnet10", "conv"), network_outputs(domain.tasks, domain.classes))
        model = Model(network.eval(), method.auxiliary(network))
    if method.statistics:
        images = [samples.batch(range(4 * i, 4 * i + 4)).images for i in range(3)]
        with torch.no_grad():
            method.source_statistics(model, images, torch.Generator().manual_seed(5))
    return Adapter(model, method, optimizer or method.native, seed=3)


def start(samples, protocol, savepoint=None, stop_at=None, arrives="iid", **kind):
    adapter = make(getattr(samples, "parts", [samples])[0], **kind)
    stream, evaluator = open_stream(samples, 4, seed=1, stream=arrives)

    def on_step(done, total):
        if done == stop_at:
            raise Stopped

    recording = run_protocol(protocol, adapter, stream, evaluator, STEPS, EVAL_STEPS, on_step, savepoint)
    return recording, adapter.digest()


def assert_same(one, other):
    (recording, digest), (expected, expected_digest) = one, other
    assert recording.statistics.keys() == expected.statistics.keys()
    for name, value in expected.statistics.items():
        assert np.array_equal(recording.statistics[name], value, equal_nan=True), name
    for name in EXACT:
        assert np.array_equal(getattr(recording, name), getattr(expected, name), equal_nan=True), name
    assert recording.collapsed_step == expected.collapsed_step
    assert digest == expected_digest


MOMENTUM = OptimizerSpec("sgd", lr=1e-3, momentum=0.9, nesterov=True)
KINDS = {
    "tent with adam": {"name": "tent", "optimizer": OptimizerSpec("adam", lr=1e-3)},
    "s4t with momentum": {"name": "s4t", "optimizer": MOMENTUM},  # draws a mask at every update: random state
    "tttpp with a queue": {"name": "tttpp", "options": {"queue": "8"}, "optimizer": MOMENTUM},
    "bn": {"name": "bn"},
}


@pytest.mark.parametrize("protocol", ["online", "episodic", "single"])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_stopped_run_goes_on_bit_for_bit(samples, tmp_path, protocol, kind):
    whole = start(samples, protocol, **kind)
    updates = STEPS * (1 if protocol == "single" else 3)
    path = tmp_path / "cell.pt"
    for stop in (1, updates - 2):  # stopped twice: early, then late and mid-batch
        with pytest.raises(Stopped):
            start(samples, protocol, Savepoint(path, "me"), stop_at=stop, **kind)
    last = Savepoint(path, "me")
    assert_same(start(samples, protocol, last, **kind), whole)
    assert last.resumed_at == divmod(updates - 2, STEPS)


@pytest.mark.parametrize("arrives", STREAMS)
def test_a_run_stopped_in_any_stream_goes_on_bit_for_bit(samples, tmp_path, arrives):
    kind, path = {**KINDS["s4t with momentum"], "arrives": arrives}, tmp_path / "cell.pt"
    if STREAMS[arrives].several or STREAMS[arrives].segments:
        neon = open_domain("rooms/neon", (32, 32), {})
        samples = JoinedSamples([samples, SampleSet(neon, "test", 6, neon.classes)])
    whole = start(samples, "online", **kind)
    updates = whole[0].loss.size
    for stop in (2, updates - 5):  # the second time in the last segment
        with pytest.raises(Stopped):
            start(samples, "online", Savepoint(path, "me"), stop_at=stop, **kind)
    last = Savepoint(path, "me")
    assert_same(start(samples, "online", last, **kind), whole)
    assert last.resumed_at == divmod(updates - 5, STEPS)


def test_a_run_stopped_within_a_step_repeats_that_step_only(samples, tmp_path, monkeypatch):
    kind = KINDS["s4t with momentum"]
    whole = start(samples, "online", **kind)
    path, updates, real = tmp_path / "cell.pt", [], Adapter.update

    def dies(self, images):
        updates.append(1)
        if len(updates) == 6:
            real(self, images)
            raise Stopped
        return real(self, images)

    monkeypatch.setattr(Adapter, "update", dies)
    with pytest.raises(Stopped):
        start(samples, "online", Savepoint(path, "me"), **kind)
    assert_same(start(samples, "online", Savepoint(path, "me"), **kind), whole)
    assert len(updates) == 6 + 7, "12 updates, of which 5 were saved"


def test_a_collapse_seen_while_saving_ends_the_run_where_it_would_have_ended(samples, tmp_path):
    kind = {"name": "tent", "optimizer": OptimizerSpec("sgd", lr=1e30)}
    whole = start(samples, "online", **kind)
    assert whole[0].collapsed_step is not None
    path = tmp_path / "cell.pt"
    with pytest.raises(Stopped):
        start(samples, "online", Savepoint(path, "me"), stop_at=3, **kind)
    recording, _ = start(samples, "online", Savepoint(path, "me"), **kind)
    assert recording.collapsed_step == whole[0].collapsed_step
    assert recording.collapse_reason == whole[0].collapse_reason


def test_only_what_moved_is_saved(samples, tmp_path):
    path = tmp_path / "cell.pt"
    with pytest.raises(Stopped):
        start(samples, "online", Savepoint(path, "me"), stop_at=2, name="tent")
    content = torch.load(path, weights_only=True)
    assert content["adapter"]["tensors"]
    assert all(
        ".bn" in key or "norm" in key or key.endswith((".weight", ".bias")) for key in content["adapter"]["tensors"]
    )
    whole = sum(t.numel() for t in make(samples, "tent").model.state_dict().values())
    assert sum(t.numel() for t in content["adapter"]["tensors"].values()) < 0.02 * whole


def test_signs_of_zero_count_as_moved():
    assert not _same_bits(torch.tensor([0.0]), torch.tensor([-0.0]))
    assert _same_bits(torch.tensor(float("nan")), torch.tensor(float("nan")))
    assert not _same_bits(torch.zeros(2), torch.zeros(2, dtype=torch.float64))


def test_progress_of_other_settings_or_other_code_is_not_used(samples, tmp_path):
    path = tmp_path / "cell.pt"
    with pytest.raises(Stopped):
        start(samples, "online", Savepoint(path, "other"), stop_at=3, name="tent")
    mine = Savepoint(path, "me")
    assert_same(start(samples, "online", mine, name="tent"), start(samples, "online", name="tent"))
    assert mine.resumed_at is None


def test_damaged_progress_is_set_aside_and_the_run_starts_anew(samples, tmp_path, caplog):
    path = tmp_path / "cell.pt"
    with pytest.raises(Stopped):
        start(samples, "online", Savepoint(path, "me"), stop_at=3, name="tent")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(bytes(content))
    mine = Savepoint(path, "me")
    assert_same(start(samples, "online", mine, name="tent"), start(samples, "online", name="tent"))
    assert mine.resumed_at is None
    assert str(path) in caplog.text
    assert path.with_name("cell.pt.damaged").read_bytes() == bytes(content)


def test_saving_waits_for_its_time(samples, tmp_path, monkeypatch):
    monkeypatch.setattr(savepoints, "SAVE_EVERY_SECONDS", 1e9)
    start(samples, "online", Savepoint(tmp_path / "cell.pt", "me"), name="tent")
    assert not (tmp_path / "cell.pt").exists()


def test_a_cell_of_the_command_line_resumes_and_cleans_up(run, tmp_path, monkeypatch):
    """End to end: the first start dies after three updates, the second goes on and leaves no partial."""
    from tiny_sweep import TINY

    from ttt_bench.store.folder import SweepFolder
    from ttt_bench.store.trajectory import Trajectory

    real, died = cell_run.run_protocol, []

    signature = inspect.signature(real)

    def dies_once(*given, **named):
        told = signature.bind(*given, **named)
        adapter, on_step = told.arguments["adapter"], told.arguments["on_step"]

        def note(done, total):
            on_step(done, total)
            if done == 3 and adapter.method.name == "tent" and not died:
                died.append(1)
                raise MemoryError("no room")

        told.arguments["on_step"] = note
        return real(*told.args, **told.kwargs)

    assert run("sweep", *TINY, "--no-figures", "--device", "cpu", out=tmp_path / "whole")[0] == 0
    monkeypatch.setattr(cell_run, "run_protocol", dies_once)
    code, out, _ = run("sweep", *TINY, "--no-figures", "--device", "cpu")
    assert code == 0, out
    assert "tried again (attempt 2)" in out.replace("\n", " ")
    folder = SweepFolder(tmp_path / "results/main")
    assert not list((folder.path / "partials").glob("*"))
    assert folder.failed() == set()
    for path in (folder.path / "cells").glob("*.npz"):
        mine = Trajectory.load(path)
        whole = Trajectory.load(Path(tmp_path / "whole/main/cells") / path.name)
        for name, value in whole.statistics.items():
            assert np.array_equal(mine.statistics[name], value, equal_nan=True)
        assert np.array_equal(mine.loss, whole.loss, equal_nan=True)
        tent = mine.cell["method"] == "tent"
        assert (mine.provenance["attempt"], mine.provenance["resumed"]) == ((2, True) if tent else (1, False))
