"""The command line. Commands import what they need when they run, so that ``--help`` stays instant."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; bad input ends with one clear message and exit code 2."""
    from ttt_bench.cli.app import app
    from ttt_bench.errors import UserError

    try:
        app()
    except UserError as error:
        from rich.console import Console

        console = Console(stderr=True)
        console.print(f"error: {error.message}", style="bold red", markup=False, highlight=False)
        if error.hint:
            console.print(f"  {error.hint}", markup=False, highlight=False)
        sys.exit(2)
    except KeyboardInterrupt:
        print("\nInterrupted. Everything finished is kept; run the same command to go on.", file=sys.stderr)
        sys.exit(130)
