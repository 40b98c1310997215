"""The command line. Commands import what they need when they run, so that ``--help`` stays instant."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; bad input ends with one clear message and exit code 2."""
    import typer

    from ttt_bench import plugins
    from ttt_bench.cli.app import app
    from ttt_bench.cli.console import accept_any_text, fail
    from ttt_bench.errors import UserError

    # Typer brings its own copy of click or uses the one that is installed; its errors have no public common name.
    usage_error: type[Exception] = next(
        kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException" and issubclass(kind, Exception)
    )
    accept_any_text()
    plugins.use({})
    try:
        code = app(standalone_mode=False)
    except UserError as error:
        fail(error)
        sys.exit(2)
    except usage_error as error:
        _explain_usage(error)
    except OSError as error:
        # A file that cannot be looked at, wherever that was noticed.
        fail(UserError(f"{error.filename or 'A file'} cannot be used: {error.strerror or error}."))
        sys.exit(2)
    except (KeyboardInterrupt, typer.Abort):
        print("\nInterrupted. Everything finished is kept; run the same command to go on.", file=sys.stderr)
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)


def _explain_usage(error: BaseException) -> None:
    """Print click's complaint about the command line as any other error, and end."""
    from ttt_bench.cli.console import fail
    from ttt_bench.errors import UserError

    message = str(getattr(error, "format_message", lambda: error)())
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        print(message)
        sys.exit(2)
    hint = "" if context is None else f"{context.command_path} --help lists the options."
    fail(UserError(message, hint))
    sys.exit(int(getattr(error, "exit_code", 2)))
