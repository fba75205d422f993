"""That the two back ends of the transforms agree, and which one is taken when."""

import copy
import pickle

import numba
import pytest
import torch

from co2net_phys.errors import UsageError
from co2net_phys.solvers import Grid, SphericalHarmonics
from co2net_phys.solvers import numba_transforms as numba_module
from co2net_phys.solvers.threads import share_threads

CASES = [
    (Grid.gaussian(1), 0),
    (Grid.gaussian(2), 2),
    (Grid.gaussian(21), 21),
    (Grid.gaussian(31), 31),
    (Grid.carbontracker(), 44),
    (Grid("cell-centre", 33, 101, first_longitude=13.0), 16),
    (Grid("gaussian", 17, 33), 16),
    (Grid.gaussian(170), 170),
]
NUMBA = SphericalHarmonics(Grid.gaussian(10), 10, backend="numba")


def fields(harmonics, *batch, dtype=torch.float64, seed=0):
    """Coefficients and a wind."""
    generator = torch.Generator().manual_seed(seed)
    size = harmonics.truncation + 1
    modal = torch.randn(*batch, size, size, dtype=torch.complex128, generator=generator).tril()
    u, v = 10 * torch.randn(2, *harmonics.grid.shape, dtype=torch.float64, generator=generator)
    complex_dtype = torch.complex128 if dtype == torch.float64 else torch.complex64
    return modal.to(complex_dtype), u.to(dtype), v.to(dtype)


def every_operator(harmonics, modal, u, v):
    east, north = harmonics.gradient(modal)
    psi, chi = harmonics.streamfunction_and_potential(u, v)
    return {
        "to_nodal": harmonics.to_nodal(modal),
        "to_modal": harmonics.to_modal(u),
        "east": east,
        "north": north,
        "divergence": harmonics.divergence(u, v),
        "curl": harmonics.curl(u, v),
        "streamfunction": psi,
        "potential": chi,
        "advection": harmonics.advection(modal, u, v),
        "flux_divergence": harmonics.flux_divergence(modal, u, v),
    }


def assert_same(left, right, tolerance):
    for name in left:
        scale = float(right[name].abs().max())
        difference = float((left[name] - right[name]).abs().max())
        assert difference <= tolerance * scale, f"{name}: {difference / scale:.1e}"


@pytest.mark.parametrize("batch", [(), (3,)], ids=str)
@pytest.mark.parametrize("grid, truncation", CASES, ids=str)
def test_back_ends_agree(grid, truncation, batch):
    ours = SphericalHarmonics(grid, truncation, backend="numba")
    theirs = SphericalHarmonics(grid, truncation, backend="torch")
    given = fields(ours, *batch)
    assert_same(every_operator(ours, *given), every_operator(theirs, *given), 1e-12)


def test_single_precision_agrees_with_double():
    given = fields(NUMBA, 2)
    rounded = fields(NUMBA, 2, dtype=torch.float32)
    single = every_operator(NUMBA, *rounded)
    assert single["advection"].dtype == torch.complex64
    assert single["east"].dtype == torch.float32
    assert_same(single, every_operator(NUMBA, *given), 2e-6)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_and_chunks_change_nothing(monkeypatch, threads):
    harmonics = SphericalHarmonics(Grid.gaussian(10), 10, backend="numba")
    given = fields(harmonics, 5)
    expected = every_operator(harmonics, *given)
    monkeypatch.setattr(numba_module.NumbaTransforms, "_threads", lambda self, fields: threads)
    monkeypatch.setattr(numba_module, "CACHE_BYTES", 1)  # two waves at a time
    harmonics = SphericalHarmonics(Grid.gaussian(10), 10, backend="numba")
    before = torch.get_num_threads()
    try:
        assert_same(every_operator(harmonics, *given), expected, 1e-15)
    finally:
        torch.set_num_threads(before)  # numba's start of its threads changes it


@pytest.mark.parametrize("batch", [(2, 3), (0,), (2, 0)], ids=str)
def test_batch_axes(batch):
    modal, u, v = fields(NUMBA, *batch)
    one_by_one = [
        every_operator(NUMBA, part, u, v) for part in modal.reshape(-1, *modal.shape[-2:])
    ]
    for name, got in every_operator(NUMBA, modal, u, v).items():
        if name in ("to_nodal", "east", "north", "advection", "flux_divergence"):
            assert got.shape[:-2] == batch
            flat = got.reshape(-1, *got.shape[-2:])
            assert all(torch.allclose(a, b[name]) for a, b in zip(flat, one_by_one, strict=True))


def test_winds_are_broadcast():
    modal, u, v = fields(NUMBA, 2, 1)
    winds = torch.stack([u, 2 * u, 3 * u])
    got = NUMBA.advection(modal, winds, v)
    assert got.shape == (2, 3, 11, 11)
    for i in range(3):
        expected = NUMBA.advection(modal[:, 0], winds[i], v)
        torch.testing.assert_close(got[:, i], expected, rtol=0.0, atol=1e-18)
    u_only = NUMBA.divergence(winds, v)
    torch.testing.assert_close(u_only[1], NUMBA.divergence(2 * u, v), rtol=0.0, atol=1e-18)


def test_any_strides_are_read():
    modal, u, v = fields(NUMBA, 2)
    expected = every_operator(NUMBA, modal, u, v)
    orders_first = modal.transpose(-1, -2).contiguous().transpose(-1, -2)
    gappy = torch.stack([modal, modal], dim=-1)[..., 0]
    turned = u.T.contiguous().T
    conjugate = modal.conj().resolve_conj().conj()  # lazily conjugated twice
    for given in (orders_first, gappy, conjugate):
        assert_same(every_operator(NUMBA, given, turned, v), expected, 1e-15)
    shared = modal[0].expand(4, 11, 11)
    got = NUMBA.to_nodal(shared)
    torch.testing.assert_close(got[3], expected["to_nodal"][0], rtol=0.0, atol=0.0)


def test_results_are_read_without_a_copy():
    modal = NUMBA.to_modal(torch.ones(NUMBA.grid.shape, dtype=torch.float64))
    assert modal.transpose(-1, -2).is_contiguous()
    assert (2.0 * modal + modal).transpose(-1, -2).is_contiguous()
    stored = numba_module._stored(modal)
    assert stored.__array_interface__["data"][0] == modal.data_ptr()


def test_a_missing_value_spreads():
    modal, u, v = fields(NUMBA)
    modal[3, 2] = float("nan")
    for result in every_operator(NUMBA, modal, u, v).values():
        assert torch.isnan(torch.view_as_real(result) if result.is_complex() else result).any() or (
            result.shape == (11, 11)
        )
    assert torch.isnan(NUMBA.advection(modal, u, v)[5, 0].real)
    clean, *_ = fields(NUMBA)  # and leaves nothing behind
    assert torch.isfinite(NUMBA.to_nodal(clean)).all()
    assert torch.isfinite(torch.view_as_real(NUMBA.advection(clean, u, v))).all()


def used(monkeypatch):
    """A list that fills with the back ends as they are chosen."""
    chosen = []
    choose = SphericalHarmonics._transforms

    def record(self, *tensors):
        made = choose(self, *tensors)
        chosen.append(type(made).__name__)
        return made

    monkeypatch.setattr(SphericalHarmonics, "_transforms", record)
    return chosen


def test_auto_takes_numba_where_no_gradient_is_asked_for(monkeypatch):
    chosen = used(monkeypatch)
    harmonics = SphericalHarmonics(Grid.gaussian(4), 4)
    nodal = torch.zeros(harmonics.grid.shape, dtype=torch.float64, requires_grad=True)
    harmonics.to_modal(nodal.detach())
    with torch.no_grad():
        harmonics.to_modal(nodal)
    assert harmonics._torch is None  # its tables were not made
    assert harmonics.to_modal(nodal).requires_grad
    harmonics.to("meta").to_modal(nodal.detach().to("meta"))
    assert chosen == ["NumbaTransforms"] * 2 + ["TorchTransforms"] * 2


def test_auto_leaves_transformed_functions_to_torch():
    harmonics = SphericalHarmonics(Grid.gaussian(4), 4)
    nodal = torch.randn(3, *harmonics.grid.shape, dtype=torch.float64)
    expected = harmonics.to_modal(nodal)
    torch.testing.assert_close(torch.func.vmap(harmonics.to_modal)(nodal), expected)
    value, tangent = torch.func.jvp(harmonics.to_modal, (nodal,), (nodal,))
    torch.testing.assert_close(value, tangent)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(nodal, nodal)
        tangent = torch.autograd.forward_ad.unpack_dual(harmonics.to_modal(dual)).tangent
    torch.testing.assert_close(tangent, expected)


def test_tables_made_in_inference_mode_can_be_differentiated():
    harmonics = SphericalHarmonics(Grid.gaussian(4), 4, backend="torch")
    nodal = torch.ones(harmonics.grid.shape, dtype=torch.float64)
    with torch.inference_mode():
        harmonics.to_modal(nodal)
    harmonics.to_modal(nodal.requires_grad_()).abs().sum().backward()
    assert nodal.grad is not None


def test_numba_says_what_it_cannot_do():
    nodal = torch.zeros(NUMBA.grid.shape, dtype=torch.float64)
    with pytest.raises(UsageError, match='knows no gradients: choose "auto" or "torch"'):
        NUMBA.to_modal(nodal.clone().requires_grad_())
    with pytest.raises(UsageError, match="not on meta"):
        NUMBA.to_modal(nodal.to("meta"))
    with pytest.raises(UsageError, match="float32 and float64, not"):
        NUMBA.to_modal(nodal.half())
    with pytest.raises(UsageError, match="choose one of auto, numba, torch"):
        SphericalHarmonics(Grid.gaussian(1), 1, backend="cuda")


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_work(duplicate):
    modal, *_ = fields(NUMBA)
    expected = NUMBA.to_nodal(modal)
    assert torch.equal(duplicate(NUMBA).to_nodal(modal), expected)


def test_torch_keeps_its_number_of_threads():
    before = torch.get_num_threads()
    assert share_threads() == numba.get_num_threads() == min(before, numba.config.NUMBA_NUM_THREADS)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("allowed, threads", [(1, 1), (3, 2)])
def test_large_transforms_share_the_threads(monkeypatch, allowed, threads):
    monkeypatch.setattr(numba_module, "share_threads", lambda: 2)
    monkeypatch.setattr(torch, "get_num_threads", lambda: allowed)
    transforms = numba_module.NumbaTransforms(Grid.gaussian(63), 63, 1.0)
    assert transforms._threads(100) == threads
    assert transforms._threads(0) == 1
