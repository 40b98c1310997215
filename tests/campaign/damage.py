"""Ways to spoil bytes, JSON, numbers and text. Everything random comes from the dice that are handed in."""

from __future__ import annotations

import copy
import json
import os
import random
from pathlib import Path
from typing import Any

NASTY: tuple[Any, ...] = (
    None, True, -1, 0, 2**63, 10**400, -0.0, 1e308, "", " ", "x" * 5000, "../../up", "/etc/passwd", "a\nb", "a\x00b",
    "\x1b[31m", "[red]", "$HOME", "$x_{", "\\input{x}", "<script>", "ü" * 40, "nan", [], {}, [[]], [[[1]]], {"a": {}},
)  # fmt: skip
WORDS = (
    "nan", "inf", "-inf", "-1", "0", "1e400", "9" * 400, "", " ", "x", "../x", "a b", "[x]", "'", '"', "$(touch x)", "`x`",
    "x" * 4000, "ü", "true", "None", "1,2", "1x", "x1", "32x", "0x0", "1;2", "\x1b[0m", "-", "--", "=", "a=b", "()", "tent(",
    "tent)", "tent((lr=1)", "tent(lr)", "tent(lr=)", "tent(lr=1,lr=2)", "s4t(mask_ratio=7)", "->", "rooms/studio->", "+fog:9",
    "rooms/studio->rooms/fog+fog:0", "rooms/studio+x:1->rooms/fog", "1e-400", "٣", "1_0",
)  # fmt: skip


def spoil_bytes(data: bytes, dice: random.Random) -> bytes:
    """Flip bits, cut, lengthen, overwrite or empty."""
    way = dice.randrange(6)
    if way == 0 and data:
        spoilt = bytearray(data)
        for _ in range(dice.choice((1, 1, 8, 64))):
            spoilt[dice.randrange(len(spoilt))] ^= 1 << dice.randrange(8)
        return bytes(spoilt)
    if way == 1:
        return data[: dice.randrange(len(data) + 1)]
    if way == 2:
        return data + dice.randbytes(dice.randrange(1, 200))
    if way == 3:
        start = dice.randrange(len(data) + 1)
        return data[:start] + dice.randbytes(dice.randrange(1, 64)) + data[start + dice.randrange(64) :]
    if way == 4:
        return b""
    return dice.randbytes(dice.randrange(1, 4000))


def spoil_json(value: Any, dice: random.Random) -> Any:
    """The same JSON with one to three values replaced, dropped, doubled or renamed."""
    spoilt = json.loads(json.dumps(value))
    for _ in range(dice.choice((1, 1, 2, 3))):
        spoilt = _spoil_once(spoilt, dice)
    return spoilt


def _spoil_once(value: Any, dice: random.Random) -> Any:
    if not isinstance(value, (dict, list)) or not value or dice.random() < 0.15:
        return copy.deepcopy(dice.choice(NASTY))  # the next turn may spoil what was put in
    if isinstance(value, list):
        place = dice.randrange(len(value))
        value[place] = _spoil_once(value[place], dice)
        return value * dice.choice((1, 1, 1, 2))
    key = dice.choice(list(value))
    way = dice.randrange(5)
    if way == 0:
        del value[key]
    elif way == 1:
        value[str(dice.choice(WORDS))] = value.pop(key)
    else:
        value[key] = _spoil_once(value[key], dice)
    return value


def json_text(value: Any, dice: random.Random) -> str:
    """``value`` as JSON, sometimes cut, nested absurdly deep, with a byte-order mark, or no JSON at all."""
    text = json.dumps(value)
    way = dice.randrange(10)
    if way == 0:
        return text[: dice.randrange(len(text))]
    if way == 1:
        return "[" * 100_000 + "]" * 100_000
    if way == 2:
        return "\ufeff" + text
    if way == 3:
        return text.replace('"', "'")
    if way == 4:
        return text.replace(": ", ": NaN, ", 1)
    return text


def toml_value(dice: random.Random) -> str:
    """A value as it may stand behind ``key =`` in a TOML file, valid TOML or not."""
    return dice.choice((
        "inf", "nan", "-1", "0", "1e400", "[]", "{}", '""', '"a\\nb"', '"\\u0000"', '"$(touch x)"', "true", "1979-05-27", "'",
        '"' + "x" * 3000 + '"', "[1, [2]]", '{a = "b\\n#SBATCH x"}', '"04:00"', "99999999999999999999", '"-1G"', '["a\\nb"]',
    ))  # fmt: skip


def foreign_bytes(dice: random.Random, canary: Path) -> bytes:
    """The beginning of a file of some other kind, or of one that would run something."""
    return dice.choice((
        f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n({canary}) (w) file closefile\nshowpage\n".encode(),
        b"GIF89a" + dice.randbytes(40), b"BM" + dice.randbytes(60), b"PK\x03\x04" + dice.randbytes(50),
        b"\x89PNG\r\n\x1a\n" + dice.randbytes(80), b"\xff\xd8\xff\xe0" + dice.randbytes(80),
        b"\x89HDF\r\n\x1a\n" + dice.randbytes(80), b"\x93NUMPY\x01\x00" + dice.randbytes(80),
        b"MATLAB 5.0 MAT-file" + dice.randbytes(120), b"\xff\xfe" + dice.randbytes(40),
        b"\x80\x04cposix\nsystem\n(S'touch " + str(canary).encode() + b"'\ntR.",
    ))  # fmt: skip


def strange_node(file: Path, dice: random.Random) -> str:
    """Put something else than a file into its place; what, in words."""
    way = dice.choice(("a pipe", "a folder", "a link to nowhere", "a link to itself", "a device", "nothing"))
    file.unlink()
    if way == "a pipe":
        os.mkfifo(file)
    elif way == "a folder":
        (file / "inside").mkdir(parents=True)
    elif way != "nothing":
        file.symlink_to({"a link to nowhere": "nowhere", "a link to itself": file.name, "a device": "/dev/zero"}[way])
    return way


def spoil_file(file: Path, dice: random.Random, canary: Path) -> str:
    """Damage a file, replace its content or put something else into its place; what, in words."""
    way = dice.randrange(4)
    if way == 0:
        return strange_node(file, dice)
    data = foreign_bytes(dice, canary) if way == 1 else spoil_bytes(file.read_bytes(), dice)
    file.write_bytes(data)
    return "foreign content" if way == 1 else "damaged"
