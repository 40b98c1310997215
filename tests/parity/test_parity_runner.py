"""The runner itself: what it refuses, what it fails, and that it fails on changed numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from parity_adapters.replay import optimizer_spec, replay

from ttt_bench.errors import UserError
from ttt_bench.method.registry import create
from ttt_bench.parity.runner import run_parity

LOGITS = np.array([[0.5, -1.0, 2.0], [0.0, 0.3, 0.1]], dtype=np.float32)


def write(folder: Path, **changes) -> Path:
    """A manifest with one entropy case, computed here; ``changes`` replace entries of the case."""
    log_p = LOGITS - np.log(np.exp(LOGITS).sum(1, keepdims=True))
    entropy = -(np.exp(log_p) * log_p).sum(1)
    gradient = -np.exp(log_p) * (log_p + entropy[:, None]) / len(LOGITS)
    arrays = {"logits": LOGITS, "entropy": entropy, "loss": entropy.mean(), "grad_logits": gradient}
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "any.npz", **changes.pop("arrays_changed", {}) or arrays)
    case = {
        "name": "any", "file": "any.npz", "method": "tent", "function": "tent.softmax_entropy then mean",
        "params": {"class_dim": 1}, "expected": ["entropy", "loss", "grad_logits"], "arrays": {},
        "tolerance": {"rtol": 1e-5, "atol": 1e-6}, **changes,
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps({"cases": [case]}))
    return folder


def only(folder: Path):
    (outcome,) = run_parity([folder])
    return outcome


def test_numbers_of_our_own_pass_whatever_the_case_is_called(tmp_path):
    assert only(write(tmp_path, name="never seen before")).status == "passed"


def test_manifests_are_found_below_and_reported_as_they_come(tmp_path):
    write(tmp_path / "a")
    write(tmp_path / "b" / "c", name="other")
    seen = []
    outcomes = run_parity([tmp_path], seen.append)
    assert [o.case for o in outcomes] == ["any", "other"]
    assert seen == outcomes


@pytest.mark.parametrize("name", ["entropy", "loss", "grad_logits"])
def test_a_changed_number_fails(tmp_path, name):
    folder = write(tmp_path)
    with np.load(folder / "any.npz") as file:
        arrays = dict(file)
    arrays[name] = arrays[name] + np.float32(1e-3)
    np.savez(folder / "any.npz", **arrays)
    outcome = only(folder)
    assert outcome.status == "failed"
    assert outcome.detail.startswith(name)


def test_an_unknown_function_fails(tmp_path):
    outcome = only(write(tmp_path, function="nobody.knows"))
    assert outcome.status == "failed"
    assert "no adapter" in outcome.detail


def test_a_crash_is_a_failed_case_and_the_rest_still_runs(tmp_path):
    write(tmp_path / "a", arrays_changed={"other": LOGITS})
    write(tmp_path / "b")
    assert [o.status for o in run_parity([tmp_path])] == ["failed", "passed"]


def test_a_missing_array_file_fails_the_case(tmp_path):
    folder = write(tmp_path)
    (folder / "any.npz").unlink()
    outcome = only(folder)
    assert outcome.status == "failed"
    assert "any.npz" in outcome.detail


def test_an_expectation_that_nobody_answers_fails(tmp_path):
    outcome = only(write(tmp_path, expected=["entropy", "logits"]))
    assert outcome.status == "failed"
    assert "not answered: logits" in outcome.detail


def test_expectations_in_prose_are_found_by_their_pattern(tmp_path):
    feats = {f"feat{i}": np.full((2, 3), float(i), np.float32) for i in range(2)}
    used = {f"used{i}": feats[f"feat{i}"] for i in range(2)}
    common = {
        "function": "FeatureQueue get -> update -> cat, as in the loop", "expected": ["used<i> = the rows"],
        "params": {"dim": 3, "length": 4, "batch": 2}, "tolerance": {"rtol": 0.0, "atol": 0.0},
    }  # fmt: skip
    assert only(write(tmp_path / "good", arrays_changed=feats | used, **common)).status == "passed"
    used["used1"] = used["used1"] + 1
    assert only(write(tmp_path / "bad", arrays_changed=feats | used, **common)).status == "failed"


def test_ill_conditioned_cases_are_skipped_by_their_flag_with_the_reason(tmp_path):
    outcome = only(write(tmp_path, ill_conditioned=True))
    assert outcome.status == "skipped"
    assert "rounding noise" in outcome.detail
    assert only(write(tmp_path, ill_conditioned=False)).status == "passed"


def test_a_missing_folder_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match="not a folder"):
        run_parity([tmp_path / "nowhere"])


def test_a_folder_without_manifest_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match="no manifest"):
        run_parity([tmp_path])


@pytest.mark.parametrize("text", ["{", "[]", '{"cases": 3}', '{"cases": [{"name": "a"}]}'])
def test_a_malformed_manifest_is_a_user_error(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(UserError, match="manifest"):
        run_parity([tmp_path])


def test_optimizer_settings_we_do_not_have_are_refused():
    assert optimizer_spec({"name": "Adam", "lr": 0.1, "betas": [0.9, 0.999]}).name == "adam"
    with pytest.raises(UserError, match="betas"):
        optimizer_spec({"name": "Adam", "lr": 0.1, "betas": [0.5, 0.999]})


def test_only_draws_that_exist_are_replaced():
    method = replay(create("ttt"), draw_labels=lambda count, rng: torch.zeros(count))
    assert method.draw_labels(3, torch.Generator()).tolist() == [0, 0, 0]
    with pytest.raises(AttributeError):
        replay(create("ttt"), shuffle=lambda: None)
