"""Does the points of a sweep on workers of Dask, here or wherever its scheduler has some.

    python sweep.py EXPERIMENT.toml --out RESULTS [--workers 2 | --scheduler ADDRESS]

Each point is one run of filbert-sim, which makes the same two files of it as `filbert-sim sweep`
does. Workers elsewhere need the program, the experiment and the results under the same paths.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from distributed import Client, LocalCluster, as_completed


def run(program, experiment, point, out):
    """Does one point; 8 says that a claim was missed, which is a result like any other."""
    command = [program, "run", experiment, "--point", str(point), "--out", out]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in (0, 8):
        raise RuntimeError(f"point {point}: {done.stderr.strip()}")
    return point


def points(program, experiment):
    """How many points there are."""
    plan = subprocess.run([program, "plan", experiment], capture_output=True, text=True)
    if plan.returncode != 0:
        sys.exit(plan.stderr.strip())
    return int(plan.stdout.splitlines()[0].rsplit(": ", 1)[1].split()[0])


def client(arguments):
    """Workers of the scheduler that is named, or some of our own, which nobody else can reach."""
    if arguments.scheduler:
        return Client(arguments.scheduler)
    cluster = LocalCluster(
        n_workers=arguments.workers,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=None,
    )
    return Client(cluster)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiment", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="the folder of the results")
    parser.add_argument("--program", default="filbert-sim", help="where filbert-sim is")
    parser.add_argument("--workers", type=int, default=2, help="how many workers here")
    parser.add_argument("--scheduler", help="the address of a scheduler of Dask's, instead")
    arguments = parser.parse_args()
    experiment, out = str(arguments.experiment.resolve()), str(arguments.out.resolve())
    count = points(arguments.program, experiment)
    with client(arguments) as workers:
        futures = [
            workers.submit(run, arguments.program, experiment, point, out, pure=False)
            for point in range(count)
        ]
        for done, future in enumerate(as_completed(futures), 1):
            future.result()
            print(f"\r{done} of {count} points", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


if __name__ == "__main__":
    main()
