"""How many candidates a second evolution makes: ours, or that of EvoSkeleton's released code, in a process of its own.

``python benchmarks/evolution_rates.py ours THREADS`` and ``... theirs CODE`` print one number, and ``... many FOLDER
POSES`` how long many take. A candidate is a child
that went through crossover, mutation, the validity test, forward kinematics, global rotation and placement. All of them
live: where children die early, there is less to do. Both begin with 40,000 poses and take 2,000 couples.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import types
from argparse import Namespace
from pathlib import Path

POSES, COUPLES = 40_000, 2_000
# Ours is too fast to be timed on so few.
ROUNDS = 40


def theirs(code: str) -> float:
    """Time ``one_iteration`` of the released code with made-up tables, which it does not bring along."""
    import numpy as np
    from scipy.spatial.transform import Rotation

    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        tables = Path(folder) / "resources/constraints"
        tables.mkdir(parents=True)
        (Path(folder) / "tools").mkdir()

        def records(shape: tuple[int, ...], value: object) -> np.ndarray:
            found = np.empty((1, 10), object)
            for i in range(10):
                found[0, i] = np.broadcast_to(np.asarray(value, float), shape).copy()
            return found

        grid = (121, 61)
        model = {
            "angleSprd": records(grid, 1),
            "sepPlane": records((*grid, 4), (1, 0, 0, -9)),  # a plane that no unit vector is beyond
            "E2": records((*grid, 3), (0, 1, 0)),
            "bounds": records((*grid, 4), (-2, 2, -2, 2)),
        }
        directions = generator.normal(size=(3, 16))
        static = {"di": directions / np.linalg.norm(directions, axis=0), "a": np.array([0.6, 0.0, 0.8])}
        standing = _standing(generator, 1)[0]
        for name, table in {
            "jointAngleModel_v2": model,
            "staticPose": static,
            "conditional_dis": {},
            "template": standing,
            "bones": generator.uniform(100, 400, (12, 16)),
        }.items():
            np.save(tables / f"{name}.npy", table, allow_pickle=True)
        os.chdir(Path(folder) / "tools")
        sys.path.insert(0, code)
        if not hasattr(np, "bool"):
            np.bool = bool  # its numpy had one
        Rotation.as_dcm = Rotation.as_matrix  # what its scipy called it
        sys.modules["tqdm"] = types.SimpleNamespace(tqdm=lambda items: items)
        from libs.evolution.genetic import one_iteration  # type: ignore[import-not-found]

        settings = Namespace(
            F=COUPLES / POSES, CV=True, M=True, MRL=0.3, MRG=0.1, SDL=10.0, SDG=30.0, C=True, Th=9, A=False, DE=False
        )
        settings.Mer = False
        population = _standing(generator, POSES).reshape(POSES, -1)
        np.random.seed(0)  # noqa: NPY002 (what it draws from)
        one_iteration(population[:2000], settings)
        began = time.perf_counter()
        children = one_iteration(population, settings)
        seconds = time.perf_counter() - began
        assert len(children) == 2 * COUPLES
        return 2 * COUPLES / seconds


def _standing(generator, n: int):
    """Return people [n, 32, 3] of Human3.6M's 32 joints, z up, millimetres, some way from standing."""
    import numpy as np

    joints = np.zeros((32, 3))
    places = {1: (-130, 0, 900), 2: (-130, 0, 450), 3: (-130, 0, 0), 6: (130, 0, 900), 7: (130, 0, 450), 8: (130, 0, 0)}
    places |= {0: (0, 0, 900), 12: (0, 0, 1130), 13: (0, 0, 1390), 14: (0, 60, 1480), 15: (0, 0, 1600)}
    places |= {17: (150, 0, 1380), 18: (150, 0, 1100), 19: (150, 0, 850)}
    places |= {25: (-150, 0, 1380), 26: (-150, 0, 1100), 27: (-150, 0, 850)}
    for joint, place in places.items():
        joints[joint] = place
    return joints + generator.normal(scale=40, size=(n, 32, 3))


def ours(threads: int) -> float:
    """Time a generation of a population of the same size."""
    import torch

    from poseplug.core.anatomy.joint_limits import JointLimits
    from poseplug.core.anatomy.limbs import limbs_of
    from poseplug.core.interfaces import BuildContext
    from poseplug_datasets.builtin import Builtin, BuiltinSettings
    from poseplug_evoskeleton.evolution.breeding import Breeding
    from poseplug_evoskeleton.evolution.operator_settings import OperatorSettings
    from poseplug_evoskeleton.evolution.placement import Ground
    from poseplug_evoskeleton.evolution.population import Population

    torch.set_num_threads(threads)
    cpu = torch.device("cpu")
    poses = next(Builtin(BuiltinSettings(), BuildContext()).batches(POSES))
    limits = JointLimits.default()
    # Like the tables above: every cell is looked up, and allowed.
    limits = JointLimits({name: torch.ones_like(table) for name, table in limits.tables.items()})
    limbs = limbs_of(poses.skeleton)
    breeding = Breeding.of(OperatorSettings(), limbs, limits, cpu)
    seconds = []
    # A generation of a larger population, so that there is something to time.
    population = Population(poses.absolute.mT.contiguous(), Ground.under(poses), limbs, 3 * POSES)
    for round_ in range(ROUNDS):
        population.count = POSES
        began = time.perf_counter()
        born = population.grow(breeding, 0.5, torch.Generator().manual_seed(round_))
        seconds.append(time.perf_counter() - began)
        assert born == POSES
    return POSES / sorted(seconds)[ROUNDS // 2]


def many(folder: str, poses: int) -> None:
    """Evolve so many poses from a fifth of them; print seconds in memory, with shards, to read them, GiB and GB."""
    import resource

    import torch

    from poseplug.core.interfaces import BuildContext
    from poseplug.core.sources.pose_table import PoseTable
    from poseplug_datasets.builtin import Builtin, BuiltinSettings
    from poseplug_evoskeleton.evolution.evolved import Evolved, EvolvedSettings

    few = Builtin(BuiltinSettings(), BuildContext())
    batch = next(few.batches(len(few)))
    reference = PoseTable(batch.select(torch.arange(poses // 5) % len(batch)), dict(few.label_names))
    context = BuildContext(reference=reference)
    for settings in ({}, {"folder": folder}):
        began = time.perf_counter()
        source = Evolved(EvolvedSettings(poses=poses, **settings), context)
        print(time.perf_counter() - began)
        assert len(source) == poses
    began = time.perf_counter()
    assert sum(len(batch) for batch in source.batches(65536)) == poses
    print(time.perf_counter() - began)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
    print(sum(file.stat().st_size for file in Path(folder).iterdir()) / 1e9)


if __name__ == "__main__":
    whose, *arguments = sys.argv[1:]
    if whose == "many":
        many(arguments[0], int(arguments[1]))
    else:
        print(theirs(arguments[0]) if whose == "theirs" else ours(int(arguments[0])))
