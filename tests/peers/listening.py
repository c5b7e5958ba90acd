"""Waiting for a vehicle, real or simulated, by its own clock."""

import time


class Listening:
    """Takes in messages one by one by `hear`; `time_s` is the vehicle's clock, `texts` what it said."""

    def until(self, true, seconds=600.0):
        """Listen until something is so, for at most so many of the vehicle's seconds."""
        begin_s, deadline = self.time_s, time.monotonic() + 300.0
        while not true():
            self.hear()
            begin_s = begin_s or self.time_s
            assert self.time_s - begin_s < seconds, f"did not come about in {seconds} s: {self.texts[-5:]}"
            assert time.monotonic() < deadline, self.texts[-5:]
