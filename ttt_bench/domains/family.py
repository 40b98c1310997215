"""What a family of domains says about itself: literals, read without running the code behind them. No torch.

A family is the domains that one reader opens. Its declaration is a module-level ``FAMILY = Family(...)``; everything
else that there is to know (``data check`` included) is named in it, as a reference to code: ``"Reader"`` is in the
same file, ``"reader:Reader"`` in the module ``reader`` of the same package.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ttt_bench.domains.contract import SPLITS, Split


@dataclass(frozen=True)
class Layout:
    """One way in which a family lies on disk."""

    name: str
    holds: str
    """Its files and folders, in words."""
    opens: str
    """Reference to (member, if the family has members; root; (H, W)) -> Domain."""
    has: tuple[str, ...] = ()
    """Names or patterns below the root that must all be there; ``a|b`` is either. A root that has them is taken to be
    of this layout."""
    fits: str = ""
    """Reference to (root) -> bool, where names alone do not tell; asked after ``has``."""
    below: tuple[str, ...] = ()
    """Folders that archives unpack to: a root may be the folder above."""
    checklist: str = ""
    """Reference to (root) -> Checklist; without one, ``data check`` reads every sample of every split."""


@dataclass(frozen=True)
class Family:
    """Domains that one piece of code opens: one (named as the family) or one for each member (``family/member``)."""

    name: str
    title: str
    """What it is, in words."""
    tasks: tuple[str, ...]
    classes: tuple[str, ...] = ()
    """Class names; empty where the files decide."""
    members: tuple[str, ...] = ()
    """What may follow the slash, each as ``name`` or ``name: what it is``; empty: the family is one domain."""
    severities: tuple[int, ...] = ()
    """Each member stands for one domain per severity, ``member-severity``."""
    named_by_user: bool = False
    """Whether any name may follow the slash, each with files of its own (``--data family/name=FOLDER``)."""
    splits: tuple[Split, ...] = SPLITS
    """Those that its domains may have; a family without train is a target only."""
    size: tuple[int, int] | None = None
    """(H, W) of the pictures themselves, where all have one."""
    scaling: str = "imagenet"
    """How a network that is trained on it takes its pixels: one of ``normalisation.SCALINGS``."""
    layouts: tuple[Layout, ...] = ()
    """How it lies on disk; empty: it is made, not read."""
    opens: str = ""
    """Without layouts: reference to (member, if there are members; (H, W)) -> Domain."""
    download: str = ""
    """Where the files can be had, in words; nothing is ever downloaded."""
    stands_in: str = ""
    """A family whose place it takes in the paper's pairs."""
    path: Path = Path()
    """The file that declares it. Filled in by who reads it, as is ``code``."""
    code: str = ""
    """Hash of that file when it is not the project's own: samples must not outlive an edit."""

    @property
    def needs_root(self) -> bool:
        """Whether somebody must say where its files are."""
        return bool(self.layouts)

    def titles(self) -> dict[str, str]:
        """Member -> what it is, with severities written out."""
        named = {name.strip(): title.strip() for name, _, title in (text.partition(":") for text in self.members)}
        if not self.severities:
            return named
        return {f"{name}-{level}": title for name, title in named.items() for level in self.severities}
