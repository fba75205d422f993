"""On fields drawn from the model itself hyper-parameters come back and stated errors are right."""

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

from co2net_phys.crossvalidation import fitting
from co2net_phys.crossvalidation.covariance import (
    START,
    as_tensors,
    covariance,
    describe_sites,
    monthly_drift,
)
from co2net_phys.crossvalidation.fitting import fitted_parameters, month_samples
from co2net_phys.crossvalidation.gaussian_process import described, gaussian_process
from co2net_phys.crossvalidation.method import drift_degree


def drawn(invented, parameters, sites=70, months=16, seed=0):
    """A task whose values are a draw of the Gaussian process, and its sites."""
    task, _ = invented(sites=sites, months=months, values=np.full((sites, months), 390.0))
    known = describe_sites(task)
    rows, columns = as_tensors(task.records.rows, task.records.columns)
    with torch.no_grad():
        factor = torch.linalg.cholesky(covariance(known, parameters, rows, columns))
    noise = np.random.default_rng(seed).normal(size=rows.numel())
    table = 390.0 + (factor.numpy() @ noise).reshape(sites, months)
    return invented(sites=sites, months=months, values=table)[0], known


def with_amplitudes(regional, local, site, noise):
    """Parameters with the same amplitudes everywhere (ppm)."""
    found = {name: value.clone() for name, value in START.items()}
    found["amplitudes"] = torch.zeros_like(START["amplitudes"])
    found["amplitudes"][:, 0] = torch.tensor([regional, local, site, noise]).log()
    return found


def test_the_covariance_is_symmetric_and_positive_definite(invented):
    task, _ = invented(sites=20, months=5)
    sites = describe_sites(task)
    rows, months = as_tensors(task.records.rows, task.records.columns)
    matrix = covariance(sites, START, rows, months)
    assert torch.allclose(matrix, matrix.T)
    assert torch.linalg.eigvalsh(matrix).min() > 0


def test_parts_of_the_covariance_by_hand(invented):
    task, _ = invented(sites=6, months=2)
    sites = describe_sites(task)
    parameters = with_amplitudes(2.0, 1e-9, 1e-9, 0.5)
    parameters["effects"] = torch.full_like(parameters["effects"], -20.0)
    parameters["memory shares"][0] = torch.tensor([-40.0, -40.0, 40.0])  # it decays only
    rows, months = torch.tensor([2, 3, 2]), torch.tensor([0.0, 0.0, 2.0]).double()
    matrix = covariance(sites, parameters, rows, months)
    apart = task.distance[2, 3] / 2000 + np.exp(-1) * float(sites.contrasts[:, 2, 3].sum())
    assert matrix[0, 0] == pytest.approx(4 + 0.25, abs=1e-3)
    assert matrix[0, 1] == pytest.approx(4 * np.exp(-apart), abs=1e-3)
    assert matrix[0, 2] == pytest.approx(4 * np.exp(-2 / 2), abs=1e-3), "a memory of two months"


def test_the_drift_is_a_polynomial_in_each_month(invented):
    task, _ = invented(sites=20, months=2)
    sites, every = describe_sites(task), torch.arange(20)
    months = torch.cat([torch.zeros(20), torch.ones(20)]).double()
    drift = monthly_drift(sites, torch.cat([every, every]), months).reshape(40, 4, 2)
    sine = np.sin(np.radians(task.records.latitude))
    assert np.allclose(drift[:20, :, 0], sine[:, None] ** np.arange(4))
    assert np.allclose(drift[20:, :, 1], sine[:, None] ** np.arange(4))
    assert not drift[:20, :, 1].any()


def test_few_sites_have_a_simpler_drift(invented):
    assert [drift_degree(n) for n in (1, 8, 9, 13, 17, 180)] == [0, 0, 1, 2, 3, 3]
    sites = describe_sites(invented(sites=5, months=2)[0])
    assert monthly_drift(sites, torch.arange(5), torch.zeros(5).double()).shape == (5, 1)


def test_the_scale_of_the_t_is_the_one_that_suits_gaussian_errors():
    nu, share = fitting.DEGREES_OF_FREEDOM, fitting.SCALE_SHARE
    mean = quad(lambda z: (nu + 1) * z**2 / (nu * share + z**2) * norm.pdf(z), -12, 12)[0]
    assert mean == pytest.approx(1, abs=1e-3)


def spread_of_pairs(task, sites, parameters):
    """Variance of the difference of two sites in a month, for pairs nearer than 2000 km.

    A field of exponential covariance tells this, and not its amplitude and range apart (Zhang 2004,
    doi:10.1198/016214504000000241).
    """
    rows = torch.arange(len(task.records.series))
    with torch.no_grad():
        matrix = covariance(sites, parameters, rows, torch.zeros(rows.numel()).double()).numpy()
    spread = np.diag(matrix)[:, None] + np.diag(matrix) - 2 * matrix
    return spread[(task.distance > 100) & (task.distance < 2000)]


@pytest.mark.slow
def test_hyper_parameters_come_back(invented, monkeypatch):
    monkeypatch.setattr(fitting, "PRIOR_DEVIATION", 1.0)
    truth = with_amplitudes(3.0, 0.3, 0.3, 0.6)
    task, sites = drawn(invented, truth)
    found = fitted_parameters(task, sites, np.arange(70))
    noise = described(found)["noise amplitude at sea, on land (ppm)"]
    assert noise[0] == pytest.approx(0.6, rel=0.5)
    fitted, true, start = (spread_of_pairs(task, sites, p) for p in (found, truth, START))
    assert np.median(start / true) < 0.6, "the search starts elsewhere"
    assert 0.7 < np.median(fitted / true) < 1.4


def test_fitting_lowers_what_it_minimises_and_ignores_other_sites(invented, monkeypatch):
    monkeypatch.setattr(fitting, "ITERATIONS", 4)
    task, sites = drawn(invented, with_amplitudes(3.0, 0.3, 0.3, 0.6), sites=20)
    training = np.arange(2, 20)
    found = fitted_parameters(task, sites, training)
    samples = [fitting._sample(task, sites, training, m) for m in month_samples(16)]
    cost = [
        sum(float(fitting._surprise(sites, p, s)) for s in samples) + float(fitting._prior(p))
        for p in (START, found)
    ]
    assert cost[1] < cost[0] - 1
    task.records.table[:2] += 50
    again = fitted_parameters(task, sites, training)
    assert all(torch.equal(found[name], again[name]) for name in found)


def test_stated_standard_errors_are_calibrated(invented, monkeypatch):
    monkeypatch.setattr("co2net_phys.crossvalidation.gaussian_process.FOLDS", 2)
    task, _ = drawn(invented, with_amplitudes(2.0, 0.8, 0.6, 0.5), sites=36, months=8, seed=4)
    found = gaussian_process(task, lambda share: None)
    scaled = (found.values - task.records.values) / found.standard_errors
    assert np.sqrt((scaled**2).mean()) == pytest.approx(1, abs=0.2)
    assert (np.abs(scaled) < 1).mean() == pytest.approx(0.683, abs=0.1)
    assert (np.abs(scaled) < 1.96).mean() == pytest.approx(0.95, abs=0.05)


def test_progress_only_grows_and_ends_at_one(invented, monkeypatch):
    monkeypatch.setattr(fitting, "ITERATIONS", 2)
    task, _ = invented(sites=8, months=3)
    seen = []
    gaussian_process(task, seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1)


@pytest.mark.parametrize("count", [1, 2, 5, 12, 13, 60, 156])
def test_samples_of_months_lie_within_the_record(count):
    samples = month_samples(count)
    assert samples
    for sample in samples:
        assert sample.min() >= 0
        assert sample.max() < count
        assert np.unique(sample).size == sample.size
