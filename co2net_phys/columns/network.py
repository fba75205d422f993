"""Emulators of tracer columns: profile-guided fusion before a ConvLSTM, and its rivals.

All are maps from the last T frames of fields (B, T, 6, H, W) and profiles (B, T, 8, L, H, W), in
the order and units of `co2net_phys.columns.schema`, to the tracer (B, 1, L, H, W) in kg kg-1. The
forcing (weather and emission) is that of the frames up to the one that is predicted, as the
schema's means over an interval bear the time of its end; the tracer, the first profile, is always
that of one frame earlier. What they learn are the coefficients of an `Exchange`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable

import torch
from einops import rearrange
from torch import Tensor, nn

from co2net_phys.columns.convlstm import ConvLSTM
from co2net_phys.columns.exchange import Exchange
from co2net_phys.columns.network_config import COMPRESSED, WIND, ColumnConfig
from co2net_phys.columns.padding import SphereConv
from co2net_phys.columns.schema import EMISSION, PROFILE_INPUTS, SURFACE_INPUTS, TRACER
from co2net_phys.errors import UsageError
from co2net_phys.learned_model import LearnedModel

LIMIT = 12.0
"""Largest size of a scaled input. Where a profile hardly ever changes (the diffusivity aloft) its
spread is tiny, and the rare cell where it does would come in hundreds of it."""

SLOPE = 0.1
"""Of the leaky ReLU below 0, as in the spatial feature transform of Wang et al. (2018)."""

_TRACER = PROFILE_INPUTS.index(TRACER)
_EMISSION, _PRESSURE = (SURFACE_INPUTS.index(name) for name in (EMISSION, "ps"))


class Scale(nn.Module):
    """Bring inputs (B, T, V, [L,] H, W) of several variables V to values of order 1.

    Variables that span decades become arsinh(x/scale): linear below the scale and logarithmic
    above. Then the mean is taken off and the spread divided by, and what is beyond ±`LIMIT` cut.
    """

    scale: Tensor
    mean: Tensor
    spread: Tensor
    compressed: Tensor

    def __init__(self, config: ColumnConfig, names: tuple[str, ...], *, by_level: bool) -> None:
        super().__init__()
        values = torch.tensor([config.statistics[name] for name in names])  # (V, L or 1, 3)
        shape = "v l -> v l 1 1" if by_level else "v 1 -> v 1 1"
        for number, part in enumerate(("scale", "mean", "spread")):
            self.register_buffer(part, rearrange(values[..., number], shape), persistent=False)
        compressed = torch.tensor([name in COMPRESSED for name in names])
        compressed = rearrange(compressed, "v -> v 1 1 1" if by_level else "v -> v 1 1")
        self.register_buffer("compressed", compressed, persistent=False)

    def forward(self, values: Tensor) -> Tensor:
        """Return the scaled values."""
        ratio = values / self.scale
        entering = torch.where(self.compressed, ratio.asinh(), ratio)
        return ((entering - self.mean) / self.spread).clamp(-LIMIT, LIMIT)


class SpatialFeatureTransform(nn.Module):
    """Scale and shift features (N, F, H, W) by what a condition (N, C, H, W) says at each cell.

    F ← (1 + γ(C)) F + β(C), with γ and β of two 1×1 convolutions each (Wang et al. 2018,
    doi:10.1109/CVPR.2018.00070). Both start at 0: the features pass as they are.
    """

    def __init__(self, condition: int, features: int) -> None:
        super().__init__()
        self.scale, self.shift = (
            nn.Sequential(
                SphereConv(condition, features, 1),
                nn.LeakyReLU(SLOPE),
                silent(SphereConv(features, features, 1)),
            )
            for _ in range(2)
        )

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        """Return the modulated features."""
        modulated: Tensor = (1 + self.scale(condition)) * features + self.shift(condition)
        return modulated


class FeatureNorm(nn.LayerNorm):
    """Features (..., F, H, W) brought to mean 0 and spread 1 at each cell (Ba et al. 2016).

    The state of a convolutional LSTM is small: without this its variations shrink by a factor of
    about six from layer to layer, and a read-out of the third hears next to nothing.
    """

    def forward(self, input: Tensor) -> Tensor:  # named as in the base class
        """Return the features, each with a learned scale and shift."""
        return super().forward(input.movedim(-3, -1)).movedim(-1, -3)


class ColumnNetwork(LearnedModel):
    """What the networks share: scaled inputs, a ConvLSTM, and a 1×1 read-out to an `Exchange`.

    The read-out starts at zero, so that an untrained network is nearly persistence plus emission.
    Beside the six two-dimensional inputs there is the cosine of latitude: a convolution on a grid
    of longitudes cannot know otherwise how many cells a wind crosses.
    """

    config: ColumnConfig
    cosine: Tensor

    def __init__(self, config: ColumnConfig, features: int, signs: tuple[int, ...] | None) -> None:
        super().__init__(config)
        poles = config.rows_at_poles
        self.scale_surface = Scale(config, SURFACE_INPUTS, by_level=False)
        self.scale_profiles = Scale(config, PROFILE_INPUTS, by_level=True)
        cosine = torch.tensor(config.latitude).deg2rad().cos()
        self.register_buffer("cosine", rearrange(cosine, "h -> h 1"), persistent=False)
        self.layers = nn.ModuleList(
            ConvLSTM(
                config.width if number else features,
                config.width,
                config.kernel,
                rows_at_poles=poles,
                signs=None if number else signs,
            )
            for number in range(config.depth)
        )
        self.norms = nn.ModuleList(FeatureNorm(config.width) for _ in self.layers)
        self.exchange = Exchange(config)
        self.read_out = silent(SphereConv(config.width, self.exchange.coefficients, 1))

    @property
    def frames(self) -> int:
        """Frames T that the network reads."""
        return self.config.frames

    def repeated_layers(self) -> Iterable[nn.Module]:
        """Return the layers of the ConvLSTM."""
        return self.layers

    def forward(self, surface: Tensor, profiles: Tensor) -> Tensor:
        """Return the tracer (B, 1, L, H, W), kg kg-1, one frame after that of the last profiles.

        Raises
        ------
        UsageError
            The inputs (B, T, 6, H, W) and (B, T, 8, L, H, W) have another shape.
        """
        self._check(surface, profiles)
        states = self.fused(*self._channels(surface, profiles))  # (B, T, F, H, W)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            states = norm(layer(states))
        coefficients = self.read_out(states[:, -1]).to(profiles.dtype)  # (B, C, H, W)
        tracer, fields = profiles[:, -1, _TRACER], surface[:, -1]
        emission, pressure = fields[:, _EMISSION], fields[:, _PRESSURE]
        return self.exchange(coefficients, tracer, emission, pressure)[:, None]

    @abstractmethod
    def fused(self, surface: Tensor, profiles: Tensor) -> Tensor:
        """Return features (B, T, F, H, W) of scaled (B, T, 7, H, W) and (B, T, 8·L, H, W)."""

    def _channels(self, surface: Tensor, profiles: Tensor) -> tuple[Tensor, Tensor]:
        fields = self.scale_surface(surface)
        cosine = self.cosine.to(fields.dtype).expand_as(fields[:, :, :1])
        columns = rearrange(self.scale_profiles(profiles), "b t v l h w -> b t (v l) h w")
        return torch.cat([fields, cosine], dim=2), columns

    def _check(self, surface: Tensor, profiles: Tensor) -> None:
        config = self.config
        grid = (len(config.latitude), config.columns)
        expected = (
            (config.frames, len(SURFACE_INPUTS), *grid),
            (config.frames, len(PROFILE_INPUTS), config.levels, *grid),
        )
        for found, wanted in zip((surface.shape[1:], profiles.shape[1:]), expected, strict=True):
            if tuple(found) != wanted:
                raise UsageError(
                    f"an input of shape {tuple(found)} where the model needs {wanted}; give it "
                    "data of its grid, levels and frames, or train another one"
                )


class ColumnEmulator(ColumnNetwork):
    """Profile-guided fusion (paper): profiles, modulated by the two-dimensional fields."""

    def __init__(self, config: ColumnConfig) -> None:
        super().__init__(config, config.width, None)
        self.surface_encoder = _encoder(config, len(SURFACE_INPUTS) + 1, None)
        columns = len(PROFILE_INPUTS) * config.levels
        self.profile_encoder = _encoder(config, columns, profile_signs(config.levels))
        self.transform = SpatialFeatureTransform(config.width, config.width)

    def fused(self, surface: Tensor, profiles: Tensor) -> Tensor:
        """Return the profiles' features (B, T, F, H, W), scaled and shifted cell by cell."""
        frames = surface.shape[1]
        flat = "b t c h w -> (b t) c h w"
        condition = self.surface_encoder(rearrange(surface, flat))
        features = self.profile_encoder(rearrange(profiles, flat))
        fused = self.transform(features, condition)
        return rearrange(fused, "(b t) f h w -> b t f h w", t=frames)


class PlainConvLSTM(ColumnNetwork):
    """The rival without fusion: the same ConvLSTM on all channels side by side."""

    def __init__(self, config: ColumnConfig) -> None:
        fields = len(SURFACE_INPUTS) + 1
        signs = (1,) * fields + profile_signs(config.levels)
        super().__init__(config, len(signs), signs)

    def fused(self, surface: Tensor, profiles: Tensor) -> Tensor:
        """Return the channels (B, T, 7 + 8·L, H, W)."""
        return torch.cat([surface, profiles], dim=2)


class Persistence(nn.Module):
    """The tracer stays what it was."""

    frames = 1

    def forward(self, surface: Tensor, profiles: Tensor) -> Tensor:
        """Return the last tracer (B, 1, L, H, W), kg kg-1."""
        return profiles[:, -1:, _TRACER]


def profile_signs(levels: int) -> tuple[int, ...]:
    """Factors (8·L) of the channels of profiles beyond a pole."""
    return tuple(-1 if name in WIND else 1 for name in PROFILE_INPUTS for _ in range(levels))


def silent(layer: SphereConv) -> SphereConv:
    """Return a layer that gives 0 until it learns."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def _encoder(config: ColumnConfig, channels: int, signs: tuple[int, ...] | None) -> nn.Module:
    """Two convolutions on the globe, each with an activation (paper: 2×(5×5 conv, 64)).

    The inputs are padded for both at once. The features beyond a pole are then those that a
    traveller over it would find, going on with the same forward and left; features of the rows
    there, padded, would have them the other way round.
    """
    kernel, poles = config.encoder_kernel, config.rows_at_poles
    margin = config.encoder_margin
    return nn.Sequential(
        SphereConv(channels, config.width, kernel, rows_at_poles=poles, signs=signs, margin=margin),
        nn.LeakyReLU(SLOPE),
        SphereConv(config.width, config.width, kernel, margin=0),
        nn.LeakyReLU(SLOPE),
    )
