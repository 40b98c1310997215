"""Finding plug-ins: the folder, entry points and files given by path, for all four kinds alike."""

import sys
from importlib.metadata import EntryPoint

import pytest

from ttt_bench import plugins
from ttt_bench.errors import UserError
from ttt_bench.plan.work import Context
from ttt_bench.plugins import KINDS, PluginFile, by_name, found, in_use, load, read_source, use


@pytest.fixture(autouse=True)
def _nothing_given(monkeypatch):
    monkeypatch.setattr(plugins, "_followers", [])  # those would load these files, which hold no plug-in
    use({})
    plugins._installed.cache_clear()
    yield
    use({})
    plugins._installed.cache_clear()


@pytest.fixture
def folder(tmp_path):
    for name in ("b.py", "a.py", "_private.py", ".#a.py", "a.py~", "notes.txt", "._a.py"):
        (tmp_path / name).write_text("NAME = 'x'\n")
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_s_files_are_found_and_an_editor_s_are_not(kind, folder):
    files = found(kind, folder)
    assert [file.path.name for file in files] == ["a.py", "b.py"]
    assert not any(file.outside or file.code for file in files)


@pytest.mark.parametrize("kind", KINDS)
def test_files_given_are_found_by_this_kind_alone_and_until_others_are_given(kind, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("")
    use({kind: [file]})
    [one] = found(kind)
    assert (one.path, one.outside, len(one.code)) == (file, True, 16)
    assert all(not found(other) for other in KINDS if other != kind)
    use({})
    assert not found(kind)


def test_a_file_given_twice_is_found_once(tmp_path, monkeypatch):
    file = tmp_path / "mine.py"
    file.write_text("")
    (tmp_path / "link.py").symlink_to(file)
    monkeypatch.chdir(tmp_path)
    assert len(found("task", extra=(file, tmp_path / "." / "mine.py", tmp_path / "link.py"))) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_installed_packages_name_theirs_by_an_entry_point(kind, tmp_path, monkeypatch):
    (tmp_path / "their_plugin.py").write_text("raise SystemExit('never run to be found')")
    monkeypatch.syspath_prepend(tmp_path)
    points = {f"ttt_bench.{kind}s": [EntryPoint("theirs", "their_plugin", f"ttt_bench.{kind}s")]}
    monkeypatch.setattr(plugins, "entry_points", lambda group: points.get(group, []))
    [file] = found(kind)
    assert (file.path, file.outside) == (tmp_path / "their_plugin.py", True)
    points[f"ttt_bench.{kind}s"] = [EntryPoint("theirs", "no_such_plugin", "")]
    plugins._installed.cache_clear()
    with pytest.raises(UserError, match="no_such_plugin"):
        found(kind)


def test_two_files_with_one_name_are_refused(folder):
    with pytest.raises(UserError, match="both define the task 'x'"):
        by_name(found("task", folder), lambda file: [("x", file)])
    assert set(by_name(found("task", folder), lambda file: [(file.path.name, 1)])) == {"a.py", "b.py"}


def test_an_edit_changes_the_code_and_so_every_result(tmp_path):
    file = PluginFile("network", tmp_path / "n.py", outside=True)
    file.path.write_text("A = 1\n")
    before = file.code
    file.path.write_text("A = 2\n")
    assert file.code != before


@pytest.mark.parametrize(
    ("text", "said"),
    [("import sys; sys.exit(0)", "SystemExit: 0"), ("\n1 / 0", "ZeroDivisionError.*line 2"), ("import no_such_thing", "no_such_thing"),
     ("def f(:", "SyntaxError"), ("raise ValueError('a\\nb')", "a b"), ("raise BaseException", None)],
)  # fmt: skip
def test_a_file_that_cannot_be_imported_is_one_message(tmp_path, text, said):
    file = PluginFile("task", tmp_path / "broken.py")
    file.path.write_text(text)
    with pytest.raises(UserError if said else BaseException, match=said):
        load(file)
    assert "ttt_bench_tasks.broken" not in sys.modules


def test_a_file_is_imported_once(tmp_path):
    file = PluginFile("task", tmp_path / "once.py")
    file.path.write_text("THING = object()")
    assert load(file).THING is load(file).THING


def test_missing_files_are_named(tmp_path):
    with pytest.raises(UserError, match=r"The domain file .*no\.py does not exist") as error:
        read_source(PluginFile("domain", tmp_path / "no.py"))
    assert "--domain" in error.value.hint


# --- in every process that works ----------------------------------------------------------------


def test_a_context_hands_on_what_is_in_use(tmp_path):
    use({"task": [tmp_path / "t.py"], "network": [tmp_path / "n.py"]})
    context = Context(tmp_path, tmp_path, {})
    assert context.plugins == in_use() == {"task": (tmp_path / "t.py",), "network": (tmp_path / "n.py",)}


def test_workers_and_cluster_tasks_find_them_first(tmp_path, monkeypatch):
    from ttt_bench.launch import pool
    from ttt_bench.launch.task import SweepTask

    class Closed:
        def recv(self):
            raise EOFError

    given = {"domain": (tmp_path / "d.py",)}
    context = Context(tmp_path, tmp_path, {}, plugins=given)
    monkeypatch.setattr(pool.signal, "signal", lambda *_: None)
    pool._serve(Closed(), context)
    assert in_use() == given
    use({})
    SweepTask((), {}, context, 60, 90)()
    assert in_use() == given


@pytest.mark.parametrize("kind", ["task", "domain", "network"])
def test_the_command_line_gives_them(run, tmp_path, kind, monkeypatch):
    seen = {}

    def told(files):
        given = {each: tuple(paths) for each, paths in files.items() if paths}
        seen.update(given)
        if given:
            raise UserError("seen")

    monkeypatch.setattr(plugins, "use", told)
    assert run("plan", f"--{kind}", tmp_path / "one.py", f"--{kind}", tmp_path / "two.py")[0] == 2
    assert seen == {kind: (tmp_path / "one.py", tmp_path / "two.py")}
