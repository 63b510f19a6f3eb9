"""Token buckets in integers: how often something may be done, without a clock and without a timer."""

NS_PER_SECOND = 1_000_000_000


class Rate:
    """So many units a second, and so many at once. A bucket is one number: the time up to which its credit is used."""

    def __init__(self, units_per_s: int, burst_units: int) -> None:
        """`units_per_s` 0 means no limit."""
        self._cost_ns = NS_PER_SECOND // units_per_s if units_per_s else 0
        self.burst_ns = self._cost_ns * burst_units

    def charge(self, until_ns: int, units: int, now_ns: int) -> tuple[int, int]:
        """Take units from a bucket, or nothing; return the bucket, and 0 or the ns after which they could be had.

        What is dearer than a whole bucket can be had from a full one.
        """
        before_ns = max(until_ns, now_ns - self.burst_ns)
        late_ns = before_ns + min(units * self._cost_ns, self.burst_ns) - now_ns
        if late_ns > 0:
            return until_ns, late_ns
        return before_ns + units * self._cost_ns, 0
