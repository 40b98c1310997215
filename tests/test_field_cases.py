"""Every case from the field and from testers by its name, and the test that holds what is expected of it."""

from __future__ import annotations

import ast
import json
import os
import re
import tempfile
import warnings
from pathlib import Path

import pytest
from tiny_sweep import REPOSITORY, SHARED

FIELD = {
    "brackets-in-paths": "cli/test_console.py::test_paths_are_never_broken_nor_taken_for_markup",
    "dangling-symlink": "domains/test_field_files.py::test_links_to_nothing_matter_only_in_a_split",
    "data-key-mistyped": "domains/test_field_keys.py::test_an_unknown_key_is_named_with_the_nearest",
    "depth-in-other-units": "domains/test_field_files.py::test_depth_in_other_units_is_doubted",
    "disk-full-while-saving-a-model": "store/test_untrusted.py::test_a_full_disk_is_named_whatever_library_writes",
    "exif-orientation": "domains/test_field_files.py::test_pictures_are_turned_as_their_tag_says",
    "labelmap-saved-as-v73": "domains/test_field_files.py::test_matlabs_newer_files_are_read_transposed",
    "mount-without-chmod": "store/test_untrusted.py::test_a_mount_without_chmod_utime_and_fsync_is_good_enough",
    "nyu-labels-from-zero": "domains/test_field_files.py::test_ids_of_another_numbering_are_doubted",
    "one-broken-branch-blocks-all": "launch/test_careless_methods.py::test_it_fails_alone",
    "options-nan-and-infinite": "cli/test_options.py::test_plan_refuses_what_has_no_sense_and_names_the_option",
    "pair-of-many-corruptions": (
        "report/test_untrusted_cells.py::test_a_pair_of_many_corruptions_fits_into_the_names_of_files"
    ),
    "report-after-copy-without-times": "report/test_freshness.py::test_inputs_do_not_follow_times_or_places",
    "report-of-read-only-results": (
        "cli/test_damaged_folder.py::test_results_that_cannot_be_written_are_shown_and_reported_elsewhere"
    ),
    "slurm-python-path-with-space": "launch/test_slurm_shell.py::test_the_script_runs_from_and_in_awkward_folders",
    "slurm-squeue-states-in-the-shell": (
        "launch/test_slurm_shell.py::test_what_waits_is_seen_whatever_the_shell_says_of_squeue"
    ),
    "slurm-submit-from-inside-a-job": (
        "launch/test_slurm_shell.py::test_a_submission_from_inside_a_job_is_the_same_submission"
    ),
    "slurm-tmpdir-not-there": "launch/test_slurm_shell.py::test_a_task_passes_over_temporary_folders_that_it_cannot_use",
    "taskonomy-known-bad-files": "domains/test_field_files.py::test_scenes_and_views_can_be_left_out",
    "taskonomy-normals-blue-away": "domains/test_data_checks.py::test_axes_of_normals_are_measured_or_refused",
    "threads-of-a-node-not-of-the-job": "test_machine.py::test_affinity_limits",
    "truncated-download-in-hub-cache": (
        "networks/test_weights.py::test_a_truncated_download_is_named_by_plan_and_by_the_sweep"
    ),
    "unreadable-neighbour-folder": "test_field_cases.py::test_closed_folders_are_passed_over_or_named",
}
CELL = "store/test_untrusted.py::test_a_hostile_cell_is_named"
DECLARED = "method/test_declared.py::test_plan_refuses_a_wrong_file"
UNCHANGED = "launch/test_careless_methods.py::test_it_changes_nobody_s_numbers"
OPTION = FIELD["options-nan-and-infinite"]
ROBUST = {
    **dict.fromkeys(("r001", "r003", "r005", "r007", "r009", "r011", "r013", "r015", "r017", "r019"), CELL),
    "r021": "cli/test_damaged_folder.py::test_a_damaged_cell_of_the_sweep_is_shown_as_damaged",
    **dict.fromkeys(
        ("r023", "r025", "r027"),
        "report/test_untrusted_cells.py::test_hostile_cells_are_named_and_stay_in_the_folder",
    ),
    **dict.fromkeys(("r029", "r031", "r041", "r043"), FIELD["one-broken-branch-blocks-all"]),
    **dict.fromkeys(("r033", "r035", "r037"), UNCHANGED),
    "r039": "audit/test_audit.py::test_careless_plug_ins_are_caught",
    **dict.fromkeys(("r045", "r047", "r049"), DECLARED),
    "r051": "method/test_declared.py::test_a_card_is_printed_as_it_is_written",
    **dict.fromkeys(("r053", "r055", "r057"), "launch/test_profile.py::test_plan_refuses_hostile_profiles_with_exit_2"),
    **dict.fromkeys(
        ("r059", "r061"),
        "cli/test_damaged_folder.py::test_a_damaged_file_is_named_and_the_sound_ones_are_shown",
    ),
    "r063": "store/test_untrusted.py::test_a_claim_of_nonsense_is_stale",
    "r065": "domains/test_field_files.py::test_only_pictures_are_opened_whatever_they_are_called",
    "r067": "domains/test_field_files.py::test_only_pictures_are_opened_whatever_they_are_called",
    "r069": "domains/test_field_files.py::test_arrays_that_are_none_are_one_message",
    "r071": "cli/test_damaged_folder.py::test_a_manifest_that_nests_too_deep_is_named",
    **dict.fromkeys(("c02", "c04", "c06", "c08", "c10", "c24"), OPTION),
    **dict.fromkeys(("c12", "c14", "c16", "c18"), "cli/test_options.py::test_the_other_commands_refuse_it_alike"),
    **dict.fromkeys(("c20", "c22"), "method/test_declared.py::test_plan_refuses_a_wrong_option"),
}


@pytest.mark.parametrize("place", sorted({*FIELD.values(), *ROBUST.values()}))
def test_what_holds_a_case_is_a_test(place):
    file, _, name = place.partition("::")
    tree = ast.parse((REPOSITORY / "tests" / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.skipif(not (SHARED / "field").is_dir(), reason="the cases are not there")
def test_every_case_has_one():
    assert {path.name for path in (SHARED / "field").iterdir() if path.is_dir()} <= FIELD.keys()
    rows = re.findall(r"^\| ([rc]\d+) \|", (SHARED / "robust/README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert rows
    assert set(rows) <= ROBUST.keys()


def test_closed_folders_are_passed_over_or_named():
    from domains.trees import make_package

    from ttt_bench.domains.catalogue import find_root, list_families
    from ttt_bench.domains.disk.layouts import recognise
    from ttt_bench.errors import UserError

    family = next(family for family in list_families() if family.name == "nyudv2")

    def looked():
        said = ""
        try:
            find_root(family, "", {"nyudv2": folder / "closed" / "nyudv2"})
        except UserError as error:
            said = error.message
        return [found.root.name for found in recognise(folder)], said

    with tempfile.TemporaryDirectory(dir="/tmp") as made:  # pytest's own folders are closed to other users
        folder = Path(made)
        make_package(folder / "nyudv2", 2, 1, size=(32, 40))
        for name in ("lost+found", "closed"):
            (folder / name / "nyudv2").mkdir(parents=True)
            (folder / name).chmod(0)
        folder.chmod(0o755)
        names, said = as_somebody_else(looked)
        for name in ("lost+found", "closed"):
            (folder / name).chmod(0o700)
    assert names == ["nyudv2"]
    assert "may not be entered: permission denied" in said


def as_somebody_else(call):
    """What ``call`` returns to a user for whom permissions count: they do not for root."""
    if os.getuid() != 0:
        return call()
    answers, asked = os.pipe()
    call()  # loads what is loaded late: the other user may not be let to the interpreter's own files
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads, none of which the child needs
        child = os.fork()
    if child == 0:
        try:
            os.setgid(65534)
            os.setuid(65534)
            os.write(asked, json.dumps(call()).encode())
        finally:
            os._exit(0)
    os.close(asked)
    with os.fdopen(answers) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return json.loads(text)
