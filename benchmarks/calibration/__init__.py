"""Does what is claimed at 5 % happen 5 % of the time? Simulated comparisons with a known truth.

Run ``python -m benchmarks.calibration`` from the repository root (``--small`` for a minute's version).
"""
