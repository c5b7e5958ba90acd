"""What all tests want of the process that they run in."""

import signal


def pytest_configure():
    """Ctrl-C is heard, by child processes too: a shell's background job ignores it, and hands that down."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
