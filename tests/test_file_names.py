"""Names from data become harmless names of files and harmless lines of text."""

import pytest

from ttt_bench.names import MOST_BYTES, file_name, file_names, printable, shown

HOSTILE = ["../../x", "/etc/passwd", "a\n\\input{x}", "..", ".", "", "x" * 5000, "CON", "nul.txt", "a\0b", "é→😀", "\udc80",
           ".hidden", "a/../b", "C:\\x", "$HOME `x` $(x)", "-rf", "a;b"]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_a_file_name_stays_in_its_folder(text, tmp_path):
    name = file_name([text, "online"])
    assert name == file_name([text, "online"])
    assert name.isascii()
    assert not set(name) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+.")
    assert not name.startswith(".")
    assert len(name) <= MOST_BYTES
    (tmp_path / name).write_text("")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_usual_names_are_kept_and_different_ones_stay_different():
    assert file_name(["rooms/studio->rooms/fog:3", "online", ""]) == "rooms_studio-to-rooms_fog_3_online"
    names = file_names([["a/b"], ["a_b"], ["A_B"], ["c"], ["x" * 200], ["x" * 201]])
    assert len({name.casefold() for name in names}) == 6
    assert names[3] == "c"


@pytest.mark.parametrize("text", ["\x1b[31mred", "a\u202eb", "a\r", "\x9b1m", "\u2028", "\0"])
def test_nothing_that_a_terminal_acts_on_is_shown(text):
    for said in (shown(text), printable(text)):
        assert said.isprintable()
    assert shown("a\nb") == "a\\nb"
    assert printable("a\nΔ [x]") == "a\nΔ [x]"
