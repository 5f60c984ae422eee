"""Where things are, how progress is told and a program ends, and the two figures that every table is made of."""

import pathlib
import socket
import statistics
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORK = ROOT / "target/peers"


class Wrong(Exception):
    """Something is not as it must be for a figure to mean anything."""


def say(text):
    """Progress, for whoever waits."""
    print(text, file=sys.stderr, flush=True)


def ended(main):
    """A program, to its end: what is wrong is said in a line, and Ctrl-C leaves no trace of the stack."""
    try:
        main()
    except Wrong as wrong:
        sys.exit(f"{pathlib.Path(sys.argv[0]).stem}: {wrong}")
    except KeyboardInterrupt:
        sys.exit(130)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def median(values):
    return statistics.median(values) if values else None


def configured(name, **values):
    """A file of conf/, with @NAME@ replaced."""
    text = (HERE / "conf" / name).read_text()
    for key, value in values.items():
        text = text.replace(f"@{key.upper()}@", str(value))
    return text
