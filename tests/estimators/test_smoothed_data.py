"""Every JDE says how alike the noise of neighbours is, and takes no response for noise."""

import numpy as np
import pytest
from parcel_data import small, with_bold
from scipy.ndimage import gaussian_filter

from pyhrf.data import Parcel
from pyhrf.estimators import JDEMCMC, JDEVEM

SHAPE = (6, 6, 5)
MAKERS = {
    "vem": JDEVEM,
    "vem without shared noise": lambda experiment: JDEVEM(experiment, shared_noise="none"),
    "mcmc": lambda experiment: JDEMCMC(experiment, n_iterations=80, n_burn_in=20, n_chains=1),
}


def smoothed(bold, sd):
    scans = bold.reshape(len(bold), *SHAPE)
    return np.array([gaussian_filter(scan, sd) for scan in scans]).reshape(bold.shape)


@pytest.mark.parametrize("name", list(MAKERS))
def test_neighbour_correlation__is_low_beside_strong_responses_and_high_where_data_are_smooth(name):
    simulated, parcel = small(snr=2.0)
    estimator = MAKERS[name](simulated.experiment)
    as_made = estimator.fit_parcel(parcel).summary["neighbour_correlation"]
    assert abs(as_made) < 0.15
    given = with_bold(parcel, smoothed(parcel.bold, 1.0))
    assert estimator.fit_parcel(given).summary["neighbour_correlation"] > 0.7


def test_neighbour_correlation__is_not_known_without_neighbours():
    simulated, parcel = small(snr=2.0)
    alone = Parcel(1, parcel.bold[:, :20], np.empty((0, 2), np.int32), np.arange(20))
    found = JDEVEM(simulated.experiment).fit_parcel(alone)
    assert np.isnan(found.summary["neighbour_correlation"])


@pytest.mark.parametrize("name", ["vem", "vem without shared noise"])
def test_hrf_quality__is_never_above_the_highest_probability_of_activation(name):
    simulated, parcel = small(snr=2.0)
    quality, highest = [], []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        given = with_bold(parcel, smoothed(rng.normal(size=parcel.bold.shape), 0.6))
        found = MAKERS[name](simulated.experiment).fit_parcel(given)
        conditions = simulated.experiment.conditions
        highest.append(max(float(found.maps["active", c].max()) for c in conditions))
        quality.append(found.summary["hrf_quality"])
    assert np.all(np.array(quality) <= np.array(highest) + 1e-6)
    clear = MAKERS[name](simulated.experiment).fit_parcel(parcel)
    assert clear.summary["hrf_quality"] > 0.9
