"""Whether the main job works here: example data in, known responses and activations out."""

# Assertions of unittest also work under python -O, and say what they found.
# ruff: noqa: PT009

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

import numpy as np

from pyhrf.analysis import analyse
from pyhrf.config.settings import ClusterSettings, LanSettings, load_settings
from pyhrf.config.study import Study
from pyhrf.data import FloatArray
from pyhrf.results import Results

_TABLES = ("hrf.tsv", "parcels.tsv", "conditions.tsv")


class TreatmentTest(unittest.TestCase):
    """Analyse the small example data set in a temporary folder, with the user's settings."""

    def setUp(self) -> None:
        """Make the folder."""
        # unittest's own name: enterContext closes it however the test ends.
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="pyhrf-test-")))

    def analyse(
        self, *, engine: str = "serial", name: str = "serial", example: str = "small"
    ) -> Results:
        """Analyse an example with an engine, into a sub-folder."""
        study = Study.build(data={"kind": "simulation", "example": example})
        return analyse(study, engine=engine, output=self.folder / name)

    def test_default_treatment(self) -> None:
        """The responses and activations that were put in are found."""
        results = self.analyse()
        self.assertEqual(results.failed, {})
        with np.load(results.directory / "example-data" / "truth.npz") as truth:
            self._check_responses(results, truth["hrf_time"], truth["hrf"])
            for row, condition in enumerate(truth["conditions"]):
                probability = results.load_map(f"active_{condition}").get_fdata()
                found = probability.reshape(-1)[truth["positions"]]
                area = _area_under_curve(found, truth["labels"][row] > 0)
                self.assertGreater(area, 0.9, f"activations of {condition}")

    def test_default_treatment_parallel_local(self) -> None:
        """All cores of this machine find the same, to the last byte."""
        self._check_same(self.analyse(), self.analyse(engine="local", name="local"))

    def test_default_treatment_parallel_LAN(self) -> None:
        """The machines of ``[parallel-LAN]`` find the same, to the last byte."""
        self._lan_settings()
        lan = self.analyse(engine="LAN", name="LAN", example="default")
        self.assertEqual(lan.failed, {})
        self._check_same(self.analyse(example="default"), lan)

    def test_default_treatment_parallel_cluster(self) -> None:
        """The cluster of ``[parallel-cluster]`` finds the same, to the last byte."""
        self._switched_on(load_settings().parallel_cluster, "cluster")
        cluster = self.analyse(engine="cluster", name="cluster", example="default")
        self.assertEqual(cluster.failed, {})
        self._check_same(self.analyse(example="default"), cluster)

    def test_remote_dir_writable(self) -> None:
        """Every host of ``[parallel-LAN]`` can write its ``remote_path``."""
        from pyhrf.execution.lan.check import check_lan

        settings = self._lan_settings()
        if not settings.remote_path:
            self.skipTest(
                "remote_path is not set in section [parallel-LAN]: the hosts use their folders "
                "for temporary files"
            )
        wrong = [f"{h.what}: {h.cause}; {h.cure}" for h in check_lan(settings).hosts if h.failed]
        self.assertEqual(wrong, [])

    def test_default_treatment_resumed(self) -> None:
        """A second run finds everything done and gives the same."""
        first = self.analyse()
        batches = len(first.provenance["batches"])
        tables = [(first.directory / name).read_bytes() for name in _TABLES]
        second = self.analyse()
        self.assertEqual(len(second.provenance["batches"]), batches)
        self.assertEqual([(second.directory / name).read_bytes() for name in _TABLES], tables)

    def _lan_settings(self) -> LanSettings:
        settings = load_settings().parallel_LAN
        self._switched_on(settings, "LAN")
        return settings

    def _switched_on(self, settings: LanSettings | ClusterSettings, engine: str) -> None:
        if not settings.enable_unit_test:
            self.skipTest(
                f"the tests of -x {engine} are off: to switch them on, write enable_unit_test = 1 "
                f"in section [parallel-{engine}] of ~/.pyhrf/config.cfg"
            )

    def _check_same(self, first: Results, second: Results) -> None:
        maps = [path.name for path in first.maps().values()]
        for name in (*_TABLES, *maps):
            same = (first.directory / name).read_bytes() == (second.directory / name).read_bytes()
            folders = f"{first.directory.name} and {second.directory.name}"
            self.assertTrue(same, f"{name} differs between the engines {folders}")

    def _check_responses(self, results: Results, time: FloatArray, truth: FloatArray) -> None:
        for true, (parcel, table) in zip(truth, results.hrf.groupby("parcel"), strict=True):
            expected = np.interp(table["time"], time, true)
            error = np.linalg.norm(table["hrf"] - expected) / np.linalg.norm(expected)
            self.assertLess(error, 0.3, f"response of parcel {parcel}")


def _area_under_curve(values: FloatArray, truth: np.ndarray) -> float:
    """Probability that an active position has a higher value than an inactive one."""
    active, inactive = values[truth][:, None], values[~truth][None, :]
    return float(np.mean(active > inactive) + np.mean(active == inactive) / 2)
