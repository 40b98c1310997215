"""``folder``: opens data of your own in the track that its files are for."""

from __future__ import annotations

from pathlib import Path

from ttt_bench.domains.disk.pictures import PictureFiles
from ttt_bench.domains.folder.description import read_description
from ttt_bench.domains.folder.maps import Maps, maps_of
from ttt_bench.domains.folder.pictures import pictures


def folder(member: str, root: Path, size: tuple[int, int]) -> Maps | PictureFiles:
    """The dense track where folders of maps lie beside images/, else the class track.

    Raises:
        UserError: something is missing, or is not as dataset.toml says.
    """
    name, about = f"folder/{member}" if member else "folder", read_description(root)
    return Maps(name, root, size, about) if maps_of(root) else pictures(name, root, size, about)
