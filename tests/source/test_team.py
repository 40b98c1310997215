"""Training in several processes: the same network as in one, whatever is masked; resumable; no orphan left."""

import multiprocessing
import os
from dataclasses import replace

import pytest
import torch
from torch import nn

from ttt_bench.domains.catalogue import Roots
from ttt_bench.errors import UserError
from ttt_bench.identity import canonical
from ttt_bench.launch import training as launched
from ttt_bench.method.contract import Model
from ttt_bench.method.registry import parse_methods
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.plan.plan import make_plan
from ttt_bench.plan.sweep import SweepConfig
from ttt_bench.plan.work import Context
from ttt_bench.source import checkpoints, loop
from ttt_bench.source.spec import TrainingConfig
from ttt_bench.source.team import JoinedBatchNorm, Team
from ttt_bench.source.training import build_network, build_supervision

CONFIG = TrainingConfig(iterations=3, batch_size=4, lr=1e-3, samples=12, optimizer="sgd", fit_iterations=1)
SWEEP = SweepConfig(
    ("rooms/studio->rooms/fog",), tuple(parse_methods("bn")), size=(32, 32), source_training=CONFIG,
    network=NetworkConfig("resnet10", "conv"),
)  # fmt: skip


def spec(**changes):
    return make_plan(replace(SWEEP, **changes)).sources[0]


def trained(made, cache):
    context = Context(cache, cache, Roots({}))
    launched.train_source(made, context, lambda *_: None)
    return checkpoints.load(checkpoints.checkpoint_path(cache, made.id), made)


def run_member(function, rank, place, *arguments):
    torch.set_num_threads(1)
    with Team.meet(rank, 2, place, "cpu") as team:
        function(team, *arguments)


def in_two_processes(function, place, *arguments):
    spawn = multiprocessing.get_context("spawn")
    members = [spawn.Process(target=run_member, args=(function, rank, place, *arguments)) for rank in (0, 1)]
    for member in members:
        member.start()
    for member in members:
        member.join(120)
    assert [member.exitcode for member in members] == [0, 0]


def labelled_batch(made):
    """Random images and labels in double precision, so that only true differences show; most of the second half of the
    batch is unknown, so that means over shares differ."""
    rng = torch.Generator().manual_seed(5)
    images = torch.rand((4, 3, 32, 32), generator=rng).double()
    labels = {
        "semseg": torch.randint(0, len(made.classes), (4, 32, 32), generator=rng),
        "depth": 1 + torch.rand((4, 1, 32, 32), generator=rng),
        "normal": nn.functional.normalize(torch.randn((4, 3, 32, 32), generator=rng), dim=1),
        "edge": torch.rand((4, 1, 32, 32), generator=rng),
    }
    for label in labels.values():
        label[2:, ..., 3:, :] = 255
    return images, {task: label.double() if label.is_floating_point() else label for task, label in labels.items()}


def one_step_is_equal(team, made):
    images, labels = labelled_batch(made)
    alone, joined = build_network(made).double().train(), build_network(made).double().train()
    team.join_batch_norms(joined)
    supervision = build_supervision(made)
    whole = loop.joint_loss(Model(alone, nn.Module()), images, labels, None, torch.Generator(), supervision)
    whole.backward()
    shared = loop.shared_loss(joined, images, labels, supervision, team)
    shared.backward()
    team.add_gradients(joined.parameters())
    torch.testing.assert_close(shared, whole, rtol=1e-9, atol=1e-9)
    for (name, one), other in zip(alone.named_parameters(), joined.parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad, rtol=1e-6, atol=1e-9, msg=name)
    for (name, one), other in zip(alone.named_buffers(), joined.buffers(), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-9, atol=1e-9, msg=name)
    halves = loop.joint_loss(
        Model(alone, nn.Module()), team.share(images), {t: team.share(v) for t, v in labels.items()}, None,
        torch.Generator(), supervision,
    )  # fmt: skip
    assert abs(halves - whole) > 1e-3, "the masks make the mean of the shares another one"


def test_loss_gradients_and_statistics_are_those_of_the_whole_batch(tmp_path):
    folder = tmp_path / "a #1 folder"
    folder.mkdir()
    in_two_processes(one_step_is_equal, folder / "meeting", spec())


def test_two_processes_train_the_network_that_one_trains(tmp_path):
    alone, together = trained(spec(), tmp_path / "a"), trained(spec(train_processes=2), tmp_path / "b")
    assert alone["network"].keys() == together["network"].keys()
    for name, value in alone["network"].items():
        torch.testing.assert_close(together["network"][name], value, rtol=1e-3, atol=1e-4, msg=name)
    assert together["scores"]["depth/rmse"] == pytest.approx(alone["scores"]["depth/rmse"], rel=1e-2)
    assert not multiprocessing.active_children()


class Killed(BaseException):
    pass


def test_an_interrupted_training_goes_on_bit_for_bit(tmp_path, monkeypatch):
    made = spec(train_processes=2)
    whole = trained(made, tmp_path / "whole")
    monkeypatch.setattr(loop, "SAVE_EVERY_SECONDS", 0.0)
    real = loop.Training._save

    def save(self, path, iteration):
        real(self, path, iteration)
        if iteration == 2:
            raise Killed

    with monkeypatch.context() as broken:
        broken.setattr(loop.Training, "_save", save)
        with pytest.raises(Killed):
            trained(made, tmp_path / "parts")
    assert checkpoints.partial_path(tmp_path / "parts", made.id).exists()
    again = trained(made, tmp_path / "parts")
    assert all(torch.equal(value, again["network"][name]) for name, value in whole["network"].items())
    assert not multiprocessing.active_children()


def test_the_reason_of_another_process_is_told(tmp_path, monkeypatch):
    made = spec(train_processes=2)
    missing = replace(made, domain="rooms/nowhere")  # the first process would say so too: it is kept from looking
    start = launched._start
    monkeypatch.setattr(launched, "_start", lambda rank, place, _, context: start(rank, place, missing, context))
    with pytest.raises(RuntimeError, match="no member 'nowhere'"):
        trained(made, tmp_path)
    assert not multiprocessing.active_children()


def test_what_goes_wrong_in_the_first_process_is_told_as_it_is(tmp_path, monkeypatch):
    def broken(*_):
        raise torch.OutOfMemoryError("no room for the gradient")

    monkeypatch.setattr(launched, "PARTING_SECONDS", 0.5)
    monkeypatch.setattr(loop, "shared_loss", broken)  # in this process alone: the other is spawned
    with pytest.raises(torch.OutOfMemoryError, match="no room for the gradient"):
        trained(spec(train_processes=2), tmp_path)
    assert not multiprocessing.active_children()


def test_a_process_that_is_killed_is_told_of(tmp_path, monkeypatch):
    start = launched._start

    def start_and_kill(*arguments):
        other = start(*arguments)
        real = loop.Training._iterate

        def iterate(self, samples, iteration):
            if iteration == 1:
                other[0].kill()
            return real(self, samples, iteration)

        monkeypatch.setattr(loop.Training, "_iterate", iterate)
        return other

    monkeypatch.setattr(launched, "_start", start_and_kill)
    with pytest.raises(RuntimeError, match=r"ended without a word .exit code -9"):
        trained(spec(train_processes=2), tmp_path)
    assert not multiprocessing.active_children()


def test_the_count_of_processes_is_part_of_what_results_are_known_by_and_one_keeps_the_old_name():
    assert len({spec().id, spec(train_processes=2).id, spec(train_processes=4).id}) == 3
    assert '"processes":1' in canonical(spec())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train_processes": 3}, "batches of 4 cannot be dealt evenly"),
        ({"train_processes": 0}, "--train-processes"),
        ({"train_processes": 2, "trainings": ("joint",)}, "looks at whole batches"),
    ],
)
def test_what_cannot_be_shared_is_refused_before_anything_is_trained(changes, words):
    with pytest.raises(UserError, match=words):
        spec(**changes)


def test_batch_norms_of_other_kinds_are_refused():
    class WithActivation(nn.BatchNorm2d):
        def forward(self, input):
            return super().forward(input).relu()

    with pytest.raises(UserError, match="1 is a WithActivation"):
        Team(0, 2).join_batch_norms(nn.Sequential(nn.Conv2d(3, 4, 1), WithActivation(4)))


def test_in_eval_mode_nothing_is_different():
    plain, joined = nn.BatchNorm2d(3).eval(), nn.BatchNorm2d(3).eval()
    Team(0, 2).join_batch_norms(joined)
    images = torch.randn(2, 3, 4, 4)
    assert isinstance(joined, JoinedBatchNorm)
    assert torch.equal(plain(images), joined(images))


def test_gpus_are_taken_in_turn(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    context = Context(tmp_path, tmp_path, Roots({}), device="cuda:2")
    assert [launched.on_next_device(context, rank).device for rank in range(4)] == [
        "cuda:2", "cuda:3", "cuda:0", "cuda:1",
    ]  # fmt: skip
    assert launched.on_next_device(replace(context, device="cpu"), 1).device == "cpu"
    assert os.environ.get("MASTER_PORT") is None, "processes meet in a file of their own, not at a port"
