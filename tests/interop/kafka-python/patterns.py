"""What the programs in Python share: a line for each pattern of ../README.md that is wanted, and what a pattern says of it."""

import os
import sys
import time

LIMIT_SECONDS = 60
# Of messages that say their time themselves: not so old that they are due to go.
START_MS = int(time.time() * 1000) - 3_600_000


def equal(actual, expected, what=""):
    if actual != expected:
        raise AssertionError(f"{what} expected {expected!r}, got {actual!r}")


def numbers(count, start=0):
    return [str(each) for each in range(start, start + count)]


def login():
    """The CA's file and the SASL mechanism with which all clients log in, or None."""
    folder = os.environ.get("ENTREPOT_INTEROP_TLS")
    return None if folder is None else (os.path.join(folder, "ca.pem"), os.environ["ENTREPOT_INTEROP_SASL"])


def run_patterns(patterns):
    """By name, what goes through them: called with HOST:PORT and what the names in the broker are to begin with."""
    address, *wanted = sys.argv[1:]
    status = 0
    for name, run in patterns.items():
        if wanted and name not in wanted:
            continue
        try:
            run(address, f"interop.{name}.{os.getpid()}.")
            print("ok", name, flush=True)
        except Exception as error:
            status = 1
            print("not ok", name, repr(error).replace("\n", " "), flush=True)
    # A pattern that failed may have left a client that waits for ever.
    os._exit(status)
