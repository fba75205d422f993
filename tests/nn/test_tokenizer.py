import pytest
import torch

from co2net_phys.batch import Coordinates
from co2net_phys.nn.embeddings import Embedding
from co2net_phys.nn.tokenizer import Group, Tokenizer, patchify, unpatchify

PATCH = (3, 4)


def test_patchify_and_unpatchify_are_inverse():
    fields = torch.randn(2, 6, 1, 9, 8)
    patches = patchify(fields, PATCH)  # (2, B, T/2, N, p·q)
    assert patches.shape == (2, 2, 3, 6, 12)
    even, odd = (unpatchify(half, (9, 8), PATCH) for half in patches)
    assert torch.equal(even, fields[:, 0::2, 0]) and torch.equal(odd, fields[:, 1::2, 0])


def test_places_count_along_the_row_first():
    fields = torch.zeros(1, 2, 1, 9, 8)
    fields[0, 1, 0, 4, 6] = 1.0  # second row of patches, second column
    assert patchify(fields, PATCH)[1, 0, 0].sum(-1).tolist() == [0, 0, 0, 1, 0, 0]


@pytest.mark.parametrize("frames", [(0,), (1,), (0, 1)])
def test_a_token_is_the_linear_map_of_its_own_patch_and_frames(frames):
    groups = {"a": Group(2, 2.0), "b": Group(1, 0.5)}
    tokenizer = Tokenizer(groups, PATCH, 5, frames)
    patches = {name: torch.randn(2, 3, 2, 6, g.channels * 12) for name, g in groups.items()}
    tokens = tokenizer(patches)
    assert tokens.shape == (3, 2, 6, 5)
    expected = tokenizer.bias.clone()
    for name in groups:
        for matrix, parity in zip(tokenizer.weights[name], frames, strict=True):
            expected = expected + tokenizer.gains[name] * matrix @ patches[name][parity, 1, 0, 4]
    torch.testing.assert_close(tokens[1, 0, 4], expected)


def paper_inputs() -> tuple[dict[str, Group], dict[str, torch.Tensor]]:
    """Groups and patches of one window with 72 stations, smooth weather and the wind embedding."""
    generator = torch.Generator().manual_seed(0)
    embedding = Embedding("wind", "physical", 10800.0)
    groups = {
        "observations": Group(2, 2 * 72 / 10800),
        "auxiliaries": Group(7, 7.0),
        "embedding": Group(embedding.channels, embedding.mean_square),
    }
    elapsed = (torch.arange(2) * 10800.0)[None]
    where = Coordinates(
        torch.linspace(-89, 89, 90), torch.linspace(-178.5, 178.5, 120), elapsed, elapsed, elapsed
    )
    coarse = torch.randn(2, 7, 10, 10, generator=generator)  # one value per patch: smooth weather
    weather = coarse.repeat_interleave(9, -2).repeat_interleave(12, -1)[None]  # (1, 2, 7, 90, 120)
    u, v = 8 * weather[:, :, 0], 5 * weather[:, :, 1]
    mask = (torch.rand(1, 2, 1, 90, 120, generator=generator) < 72 / 10800).float()
    seen = torch.cat([mask * torch.randn(mask.shape, generator=generator), mask], dim=2)
    patches = {
        "observations": patchify(seen, (9, 12)),
        "auxiliaries": patchify(weather, (9, 12)),
        "embedding": embedding(where, u, v, (9, 12)),
    }
    return groups, patches


def adam_step(*, conditioned: bool, places: slice) -> tuple[float, float]:
    """Spread of the tokens, and how far a step at 5e-4 that corrects `places` moves them."""
    torch.manual_seed(1)
    groups, patches = paper_inputs()
    tokenizer = Tokenizer(groups, (9, 12), 64, (0, 1), conditioned=conditioned)
    goal = 10 * torch.randn(64)  # one for all tokens, as a biased first guess would ask for
    before = tokenizer(patches)
    optimizer = torch.optim.AdamW(tokenizer.parameters(), lr=5e-4)
    (before - goal)[:, :, places].square().mean().backward()
    optimizer.step()
    moved = (tokenizer(patches) - before)[:, :, places].abs().mean()
    return before.std().item(), moved.item()


def test_conditioning_keeps_an_adam_step_small_compared_with_the_token():
    """Where the gradient comes from one place all inputs pull together: η Σ|x|."""
    one = slice(55, 56)
    spread, moved = adam_step(conditioned=True, places=one)
    raw_spread, raw_moved = adam_step(conditioned=False, places=one)
    assert 0.7 < spread < 1.5  # unit variance by construction
    assert moved < 0.5
    assert raw_moved > 2 and raw_moved / raw_spread > 5  # several units, many times the token
    assert (raw_moved / raw_spread) / (moved / spread) > 15


def test_conditioning_pays_also_when_the_whole_globe_is_corrected():
    """Then the signs of the location terms differ from place to place, and less adds up."""
    spread, moved = adam_step(conditioned=True, places=slice(None))
    raw_spread, raw_moved = adam_step(conditioned=False, places=slice(None))
    assert moved < 0.15 * spread
    assert raw_moved > 1.5 * raw_spread


def test_stations_are_heard_among_the_weather_and_the_embedding():
    def share(conditioned: bool) -> float:
        torch.manual_seed(2)
        groups, patches = paper_inputs()
        tokenizer = Tokenizer(groups, (9, 12), 64, (0, 1), conditioned=conditioned)
        silent = patches | {"observations": torch.zeros_like(patches["observations"])}
        tokens = tokenizer(patches)
        return ((tokens - tokenizer(silent)).std() / tokens.std()).item()

    assert share(conditioned=True) > 0.3
    assert share(conditioned=False) < 0.1
