"""Decoded samples on disk, each decoded once per machine and then mapped into memory. No torch.

One folder per (domain fingerprint, split, count) with one array file per field. It is built under another name
and renamed when complete, so a folder under its own name is complete, and whoever finishes first wins.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import math
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ttt_bench.domains.contract import Domain, Split
from ttt_bench.errors import UserError
from ttt_bench.files import file_digest, read_json, write_json
from ttt_bench.identity import identity
from ttt_bench.machine import usable_cpus
from ttt_bench.owner import Owner
from ttt_bench.samples import salvage
from ttt_bench.samples.decoding import Fault, decode
from ttt_bench.samples.fields import Array, Field, fields_of, mapped

Progress = Callable[[int, int], None]
"""Called with (samples done, samples in all)."""

LAYOUT = 2
"""Raise it when the stored form changes."""
STALE_SECONDS = 3600.0
"""An unfinished build that nobody has touched for so long is a dead one's, where its owner cannot be asked about."""
ABOUT = "about.json"
SKIPPING = "--skip-bad"
OTHERWISE = f"Images can also be left out: {SKIPPING} LIST."
SHOWN = 5
"""Faults that one message spells out."""
log = logging.getLogger(__name__)


def default_workers() -> int:
    """Two processes where there are two processors."""
    return min(2, usable_cpus())


@dataclass(frozen=True)
class SampleCache:
    """The stored form of the first ``count`` samples of one split."""

    domain: Domain
    split: Split
    count: int
    root: Path

    @property
    def folder(self) -> Path:
        """Where the finished arrays lie."""
        key = {"layout": LAYOUT, "domain": self.domain.fingerprint(), "split": self.split, "count": self.count}
        return self.root / "samples" / identity(key)

    @property
    def fields(self) -> dict[str, Field]:
        """What is stored of every sample."""
        return fields_of(self.domain)

    @property
    def nbytes(self) -> int:
        """Bytes on disk, without headers."""
        return self.count * sum(math.prod(f.shape) * np.dtype(f.dtype).itemsize for f in self.fields.values())

    @property
    def complete(self) -> bool:
        """Whether every array is there in full length."""
        return all(_whole(self.folder / f"{name}.npy", field, self.count) for name, field in self.fields.items())

    def open(self) -> dict[str, Array]:
        """The arrays, mapped read-only; the pages are shared by all processes. Damaged ones are decoded again first.

        Raises:
            UserError: as ``build``.
        """
        damaged = self.damaged()
        if damaged:
            log.warning("%s is damaged; it is set aside as %s and made again.", damaged, self._set_aside())
            self.build()
        return {name: np.load(self.folder / f"{name}.npy", mmap_mode="r") for name in self.fields}

    def damaged(self) -> Path | None:
        """The first array whose bytes are not those that were written, by their SHA-256."""
        written = _checksums(self.folder)
        return next((path for path in self._arrays(self.folder) if written.get(path.stem) != file_digest(path)), None)

    def _arrays(self, folder: Path) -> list[Path]:
        return [folder / f"{name}.npy" for name in self.fields]

    def _set_aside(self) -> Path:
        """Keep a damaged folder under a name that nobody reads; the next damaged one replaces it."""
        aside = self.folder.with_name(f"{self.folder.name}.damaged")
        shutil.rmtree(aside, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):  # another process was faster
            self.folder.rename(aside)
        return aside

    def build(self, progress: Progress | None = None, workers: int | None = None) -> None:
        """Decode every sample unless that has been done; safe to call from several processes at once.

        Raises:
            UserError: the disk is full, a file of the domain is unreadable (what was decoded is kept for the next
                build, whose files are others), or a worker process died.
        """
        if self.complete:
            return
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self._sweep()
        log.info("Decoding %s: %.2f GB in %s.", self, self.nbytes / 1e9, self.folder)
        draft = self._temporary()
        try:
            parts = self._fill(draft, progress, default_workers() if workers is None else workers)
            self._publish(draft)
            salvage.forget(parts)
        except OSError as error:
            raise self._explained(error) from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def __str__(self) -> str:
        return f"{self.count} {self.split} samples of {self.domain.name} at {self.domain.size[0]}x{self.domain.size[1]}"

    def _fill(self, draft: Path, progress: Progress | None, workers: int) -> list[Path]:
        """Decode everything into ``draft``.

        Returns:
            What earlier builds had left and is of no more use now.
        """
        for name, field in self.fields.items():
            _allocate(draft / f"{name}.npy", field.dtype, (self.count, *field.shape))
        known, parts = salvage.take_over(mapped(draft, self.domain), self.folder.parent, self.domain, self.split)
        left = [index for index in range(self.count) if index not in known]
        done = len(known)
        faults: list[Fault] = []
        for size, bad in decode(self.domain, self.split, left, draft, workers):
            done += size
            faults += bad
            os.utime(draft)  # tells other builders that this build is alive
            if progress is not None:
                progress(done, self.count)
        if faults:
            sound = sorted(set(range(self.count)) - {index for index, _ in faults})
            kept = salvage.keep(draft, self.folder, self.domain, self.split, sound)
            raise _all_of([error for _, error in faults], self.count, kept)
        return parts

    def _publish(self, draft: Path) -> None:
        about = {"domain": self.domain.name, "split": self.split, "count": self.count}
        write_json(draft / ABOUT, {**about, "sha256": {path.stem: file_digest(path) for path in self._arrays(draft)}})
        for path in draft.iterdir():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
        with contextlib.suppress(OSError):  # a mount without modes: whoever reaches the folder may read it
            draft.chmod(0o755)
        if self.folder.exists() and not self.complete:
            self._discard()
        try:
            draft.rename(self.folder)
        except OSError as error:
            # Somebody else was faster: theirs is as good, being a function of the same content.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or not self.complete:
                raise

    def _discard(self) -> None:
        """Move a damaged folder out of the way; only a failing disk or a meddling hand makes one."""
        grave = self._temporary()
        with contextlib.suppress(FileNotFoundError):
            self.folder.rename(grave / "damaged")
        shutil.rmtree(grave, ignore_errors=True)

    def _sweep(self) -> None:
        """Remove what killed builds have left, and what broken-off ones have kept for too long."""
        salvage.forget_old(self.folder.parent)
        remove_dead_drafts(self.root)

    def _temporary(self) -> Path:
        """A new folder beside the finished one, whose name tells whose it is."""
        prefix = f"{self.folder.name}.{Owner.here().token}."
        return Path(tempfile.mkdtemp(prefix=prefix, suffix=".tmp", dir=self.folder.parent))

    def _explained(self, error: OSError) -> UserError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return UserError(
                f"The disk is full: {self} need {self.nbytes / 1e9:.2f} GB under {self.root}.",
                "Free some space, choose another folder with --cache, or use fewer samples or smaller images.",
            )
        return UserError(f"The cache of {self} could not be written: {error}.", "Choose another folder with --cache.")


def remove_dead_drafts(root: Path) -> list[Path]:
    """Remove what killed builds left below the cache ``root``; what was removed."""
    removed = []
    for path in (root / "samples").glob("*.tmp"):
        owner = Owner.of_token(path.name.split(".")[-3]) if path.name.count(".") >= 3 else None
        dead = owner.dead if owner is not None else None
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > STALE_SECONDS if dead is None else dead:
                shutil.rmtree(path, ignore_errors=True)
                removed.append(path)
    return removed


def _allocate(path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    """An array file whose blocks exist: writing to a mapped hole on a full disk would kill the process."""
    np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=shape).flush()
    if hasattr(os, "posix_fallocate"):
        with path.open("rb+") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _whole(path: Path, field: Field, count: int) -> bool:
    try:
        array = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):  # missing or cut short
        return False
    return bool(array.shape == (count, *field.shape) and array.dtype == np.dtype(field.dtype))


def _all_of(faults: list[UserError], count: int, kept: int) -> UserError:
    """One error for all samples that could not be decoded."""
    first = faults[0]
    hint = first.hint if not kept or SKIPPING in first.hint else f"{first.hint} {OTHERWISE}".strip()
    hint += f" What is decoded, {kept} of {count} images, is kept." if kept else ""
    if len(faults) == 1:
        return UserError(first.message, hint)
    shown = "; ".join(error.message.rstrip(".") for error in faults[:SHOWN])
    more = f"; and {len(faults) - SHOWN} more (data check names all)" if len(faults) > SHOWN else ""
    return UserError(f"{len(faults)} of {count} images cannot be decoded: {shown}{more}.", hint)


def _checksums(folder: Path) -> dict[str, Any]:
    """What was written beside the arrays; nothing if that is damaged itself."""
    try:
        about = read_json(folder / ABOUT)
    except (UserError, OSError):
        return {}
    sums = about.get("sha256") if isinstance(about, dict) else None
    return sums if isinstance(sums, dict) else {}
