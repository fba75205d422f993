"""The bench of a training step: both networks do the same work, and the figures fit together."""

import pytest
import torch

from co2net_phys import cost
from co2net_phys.cost import count_parameters, forward_flops, reference_config
from co2net_phys.data.schema import CO2
from co2net_phys.errors import UsageError
from co2net_phys.model import CO2Net
from co2net_phys.validation import training_speed
from co2net_phys.validation.training_speed import Step, measure_training, synthetic_batch

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def measured():
    torch.set_num_threads(1)
    return measure_training("XS", batch=1, steps=1, device="cpu")


@pytest.mark.slow
def test_the_figures_fit_together(measured):
    config = reference_config("XS")
    assert measured.flops_per_sample == 3 * forward_flops(config)
    assert measured.parameters == count_parameters(CO2Net(config))
    assert measured.samples_per_second == pytest.approx(1e3 / measured.ms_per_step)
    assert measured.speedup == pytest.approx(measured.reference_ms_per_step / measured.ms_per_step)
    rate = measured.flops_per_sample * measured.samples_per_second
    assert measured.mfu == pytest.approx(rate / measured.device_flops)
    assert 0 < measured.mfu < 1
    assert (measured.device, measured.device_flops_from) == ("cpu", "measured")


@pytest.mark.slow
def test_both_networks_give_the_same_field(measured):
    assert measured.difference < 1e-5


@pytest.mark.slow
@pytest.mark.skipif(training_speed.sys.platform != "linux", reason="memory is read from /proc")
def test_memory_is_more_than_weights_and_less_than_the_plain_network_takes(measured):
    assert measured.peak_memory_bytes > 16 * measured.parameters
    assert measured.memory_ratio < 1


def test_the_reference_can_be_left_out(monkeypatch):
    asked = []
    monkeypatch.setattr(training_speed, "_peak_memory", lambda name, *rest: asked.append(name))
    alone = measure_training(
        "XS", batch=1, steps=1, precision="fp32", device="cpu", reference=False
    )
    assert asked == ["ours"]
    assert alone.reference_ms_per_step is None and alone.speedup is None
    assert alone.peak_memory_bytes is None and alone.memory_ratio is None
    assert alone.ms_per_step > 0


def test_a_step_learns_from_both_losses():
    torch.manual_seed(0)
    config = reference_config("XS")
    network = CO2Net(config)
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    Step(network, config, "fp32")(synthetic_batch(config, 1, CPU))
    moved = [n for n, value in network.named_parameters() if not torch.equal(value, before[n])]
    assert len(moved) > 0.95 * len(before)
    assert "probe.weight" in moved and "heads.all.0.weight" in moved


def test_the_batch_has_the_shape_of_carbontracker():
    config = reference_config("S")
    batch = synthetic_batch(config, 2, CPU)
    assert batch.coordinates.shape == (90, 120)
    assert batch.coordinates.latitude[[0, -1]].tolist() == [-89, 89]
    assert batch.coordinates.longitude[[0, -1]].tolist() == [-178.5, 178.5]
    assert batch.coordinates.elapsed[1].tolist() == [10800 * n for n in range(8)]
    assert batch.observations.value.shape == (2, 8, 72)
    assert set(batch.fields) == {*config.auxiliaries, CO2} and len(config.auxiliaries) == 7


@pytest.mark.parametrize("wrong", [{"batch": 0}, {"steps": 0}, {"device": "abacus"}])
def test_nonsense_is_refused(wrong):
    with pytest.raises(UsageError):
        measure_training("XS", **wrong)


@pytest.mark.parametrize(
    ("name", "speed"),
    [("NVIDIA H100 80GB HBM3", 989e12), ("NVIDIA H100 PCIe", 756e12), ("NVIDIA H200", 989e12)],
)
def test_known_gpus_are_judged_by_their_specification(monkeypatch, name, speed):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
    assert cost.device_speed(torch.device("cuda"), "bf16") == (speed, "specification")


def test_other_devices_are_measured(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Nimbus 2000")
    monkeypatch.setattr(cost, "product_speed", lambda device, precision: 7.0)
    for kind, precision in (("cuda", "bf16"), ("cuda", "fp32"), ("cpu", "bf16")):
        assert cost.device_speed(torch.device(kind), precision) == (7.0, "measured")
