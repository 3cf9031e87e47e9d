"""Speed and size, as ratios against named peers on the same work in the same run.

`python -m benchmarks NAME [--json FILE] [--quick]`. See docs/benchmarks.md.
"""
