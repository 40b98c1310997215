import pytest
from domains.trees import make_pascal

from ttt_bench.domains.catalogue import open_domain
from ttt_bench.domains.disk.roots import config_file, configured_roots, locate
from ttt_bench.errors import UserError

NAMES = ("nyudv2", "pascal", "taskonomy")


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in NAMES:
        monkeypatch.delenv(f"TTT_BENCH_{name.upper()}", raising=False)


def write(text):
    config_file().parent.mkdir(parents=True, exist_ok=True)
    config_file().write_text(text)


def test_the_option_wins_over_the_environment_over_the_file(tmp_path, monkeypatch):
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    write(f'pascal = "{tmp_path / "c"}"\n')
    found = locate("pascal", {}, NAMES)
    assert found.path == tmp_path / "c"
    assert str(config_file()) in found.origin
    monkeypatch.setenv("TTT_BENCH_PASCAL", str(tmp_path / "b"))
    assert locate("pascal", {}, NAMES).origin == f"TTT_BENCH_PASCAL={tmp_path / 'b'}"
    assert locate("pascal", {"pascal": tmp_path / "a"}, NAMES).origin == f"--data pascal={tmp_path / 'a'}"


def test_the_file_lies_in_the_users_configuration(monkeypatch, tmp_path):
    assert config_file() == tmp_path / "config/ttt_bench/data.toml"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert config_file().parts[-3:] == (".config", "ttt_bench", "data.toml")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('pascl = "/x"', "unknown key 'pascl'", "Did you mean 'pascal'"),
        ("pascal = 3", "pascal is not the name of a folder", "pascal ="),
        ("pascal = ", "cannot be read", "It holds lines such as"),
    ],
)
def test_explains_a_broken_file(text, message, hint):
    write(text)
    with pytest.raises(UserError, match=message) as error:
        configured_roots(NAMES)
    assert str(config_file()) in error.value.message
    assert hint in error.value.hint


def test_says_what_to_do_when_nobody_named_a_folder(tmp_path):
    with pytest.raises(UserError, match="where its files are") as error:
        open_domain("taskonomy", (32, 32))
    for part in ("--data taskonomy=", "TTT_BENCH_TASKONOMY", str(config_file()), "page of Stanford"):
        assert part in error.value.hint
    write(f'taskonomy = "{tmp_path / "gone"}"\n')
    with pytest.raises(UserError, match=r"taskonomy = .*data\.toml: there is no such folder"):
        open_domain("taskonomy", (32, 32))


def test_doctor_shows_where_a_data_set_was_found(run, tmp_path):
    make_pascal(tmp_path / "voc", train=2, test=1)
    write(f'pascal = "{tmp_path / "voc"}"\n')
    _, out, _ = run("doctor", "--data", f"nyudv2={tmp_path / 'nowhere'}")
    text = " ".join(out.split())
    assert "pascal: 1 training and 1 test images" in text
    assert str(config_file()) in "".join(out.split()), "long lines are wrapped"
    assert "BAD nyudv2" in text
    assert "taskonomy: Domain 'taskonomy' needs to know where its files are" in text
