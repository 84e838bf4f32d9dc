"""The `syncd` command: one file a command; each parses, calls, and prints for people or, with --json, one document."""

import os
import sys

from syncd.cli.app import app, config_first, notes, tell
from syncd.cli.commands import register
from syncd.errors import SyncdError


def main() -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong usage or configuration, 3 held for a person."""
    try:
        arguments = config_first(sys.argv[1:])
        register(arguments)
        app(arguments, prog_name="syncd")
    except SyncdError as problem:
        tell(problem)
        sys.exit(problem.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader (head, less) has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as problem:
        tell(SyncdError(f"{problem.filename or 'the system'}: {problem.strerror or type(problem).__name__}."))
        sys.exit(1)
    except OverflowError:
        tell(SyncdError("a number that was given is too large."))
        sys.exit(2)
    except Exception as problem:
        if os.environ.get("SYNCD_DEBUG"):
            raise
        notes.print(f"syncd: this is a fault in syncd ({type(problem).__name__}); SYNCD_DEBUG=1 shows where.", markup=False)
        sys.exit(1)
