"""Run a fuzzer: `python -m fuzz codec --runs 1000000 --seed 1`.

    codec    every decoder of the wire, coverage-guided (atheris, extra `fuzz`)
    handle   a whole protocol core fed a script of inputs, coverage-guided
    mutate   every decoder, fed altered and crossed test vectors and corpus: no guidance, many times
             as fast, no extra needed
    soak     the same core without end: one core, random scripts, its memory watched

Inputs that a fuzzer found worth keeping go to fuzz/corpus/<name>; what failed to ./crash-….
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

CORPUS = Path(__file__).parent / "corpus"
SEEDS = Path(__file__).parent / "seeds.txt"  # what coverage found worth keeping, in hex
VECTORS = Path(__file__).parent.parent / "docs" / "protocol-vectors.json"
_SCRIPT_BYTES = 512
_TOLD_STEPS = 50_000
_TOLD_RUNS = 250_000


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("target", choices=("codec", "handle", "mutate", "soak"))
    parser.add_argument("--runs", type=int, default=1_000_000, help="inputs; steps for soak")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same corpus: same inputs")
    given = parser.parse_args()
    if given.runs < 1:
        parser.error(f"--runs {given.runs}: expected 1 or more")
    if given.target in ("mutate", "soak"):
        {"mutate": mutate, "soak": soak}[given.target](given.runs, given.seed)
        return 0
    try:
        import atheris
    except ImportError:
        parser.error("atheris is not installed; install the extra `fuzz`")
    with atheris.instrument_imports(include=["tastemesh.gossip"]):
        from fuzz import targets
    run: Callable[[bytes], None] = targets.decoders if given.target == "codec" else targets.handle
    folder = CORPUS / given.target
    folder.mkdir(parents=True, exist_ok=True)
    if given.target == "codec":
        plant(folder)
    atheris.Setup(
        [
            sys.argv[0],
            f"-runs={given.runs}",
            f"-seed={given.seed}",
            "-max_len=4096",
            "-timeout=60",
            "-print_final_stats=1",
            str(folder),
        ],
        run,
    )
    atheris.Fuzz()
    return 0


def plant(folder: Path) -> None:
    """Give the fuzzer the protocol's test vectors to begin with."""
    vectors = json.loads(VECTORS.read_text())
    seeds = [bytes.fromhex(each["envelope"]) for each in vectors["records"]]
    seeds += [bytes.fromhex(vectors[name]["payload"]) for name in ("presence", "proof")]
    seeds += [bytes.fromhex(frame) for frame in vectors["reconciliation"]["frames"]]
    seeds.append(bytes.fromhex(vectors["bundle"]))
    for number, seed in enumerate(seeds):
        (folder / f"vector-{number:02d}").write_bytes(seed)
    for number, line in enumerate(SEEDS.read_text().split()):
        (folder / f"seed-{number:02d}").write_bytes(bytes.fromhex(line))


def mutate(run_count: int, seed: int) -> None:
    """Give the decoders altered inputs; one seed and one corpus give the same ones again."""
    from fuzz.mutation import Mutator
    from fuzz.targets import decoders

    folder = CORPUS / "codec"
    folder.mkdir(parents=True, exist_ok=True)
    plant(folder)
    seeds = [path.read_bytes() for path in sorted(folder.iterdir())]
    mutator = Mutator(seeds, seed)
    since_s = time.monotonic()
    for run in range(1, run_count + 1):
        data = mutator.next()
        try:
            decoders(data)
        except Exception:
            crash = Path(f"crash-mutate-{seed}-{run}")
            crash.write_bytes(data)
            print(f"input {run:,} of seed {seed} fails; it is in {crash}", flush=True)
            raise
        if run % _TOLD_RUNS == 0 or run == run_count:
            peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            rate = run / (time.monotonic() - since_s)
            print(f"{run:,} inputs, {rate:,.0f}/s, peak {peak_mb:.1f} MB", flush=True)


def soak(step_count: int, seed: int) -> None:
    """Feed one core random instructions, and print what it holds and the process takes."""
    from fuzz.targets import Core, Script

    rng, core = np.random.default_rng(seed), Core()
    script = Script(b"")
    since_s = time.monotonic()
    for step in range(1, step_count + 1):
        if not script:
            script = Script(rng.bytes(_SCRIPT_BYTES))
        core.step(script)
        if step % _TOLD_STEPS == 0 or step == step_count:
            held = ", ".join(f"{name} {count}" for name, (count, _) in core.sizes().items())
            peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            rate = step / (time.monotonic() - since_s)
            print(f"{step:,} steps, {rate:,.0f}/s, peak {peak_mb:.1f} MB: {held}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
