# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # The harmonic series
#
# Theorem 2 of the CO2-Net paper writes the tracer as a series of spherical harmonics whose
# coefficients decay and turn. The idea is right; the formula is wrong in five places: the sign of
# the rotation (twice), the term n = 0, the argument of the Legendre functions, and the wind it is
# said to hold for. Results R4 to R6 and R11 of [The harmonic series](../theory/harmonic-series.md);
# everything here is computed by `co2net_phys.validation`.

# %%
# %matplotlib inline

from co2net_phys.validation.harmonic_series import (
    corrected_series,
    global_mean_is_needed,
    mean_grows_linearly,
    printed_rotation,
    printed_series,
    rotation_follows_the_wind,
)
from co2net_phys.validation.harmonic_series_figures import (
    basis_figure,
    coupling_figure,
    direction_figure,
    zonal_wind_figure,
)
from co2net_phys.validation.latitude_basis import cosine_is_the_argument, sine_is_the_argument
from co2net_phys.validation.zonal_speed import (
    angular_speed_has_the_series,
    angular_speed_leaves_degrees_apart,
    linear_speed_has_the_series,
    linear_speed_leaves_degrees_apart,
)

# %% [markdown]
# ## The sign of imU
#
# In solid-body rotation u = UR cos θ each coefficient obeys dA/dt = −λA + S with
# λ = Dn(n+1)/R² + imU. The solver, which steps the equation and knows nothing of this, agrees with
# the solution for all degrees and orders up to eight. As printed, both signs of imU are the other
# way round.

# %%
print(corrected_series())
print(printed_series())

# %% [markdown]
# The sign says which way the tracer turns.

# %%
print(rotation_follows_the_wind())
print(printed_rotation())
direction_figure()

# %% [markdown]
# ## The global mean
#
# The printed sum starts at n = 1. The term n = 0 is the global mean, for which λ = 0: it neither
# decays nor turns, and grows as A(0) + St.

# %%
print(mean_grows_linearly())
print(global_mean_is_needed())

# %% [markdown]
# ## The wind
#
# The paper gives the wind as w = (0, U), a constant. If that is an angular speed, advection
# multiplies each coefficient by −imU. If it is a speed in m/s, the same at all latitudes, air near
# the poles runs around them in no time, and 1/cos θ couples each degree with every other one of
# its parity.

# %%
print(angular_speed_leaves_degrees_apart())
print(linear_speed_leaves_degrees_apart())
coupling_figure()

# %% [markdown]
# So the series, signs put right, gives the tracer in the first wind to round-off and not in the
# second, which shears it. (In the second the truth is the exponential of the exact coupling: it has
# no direction at the poles, and the solver's quadrature of 1/cos θ is not exact.)

# %%
print(angular_speed_has_the_series())
print(linear_speed_has_the_series())
zonal_wind_figure()

# %% [markdown]
# ## Sine or cosine
#
# In the paper's grid θ is the latitude, in its P_n^m(cos θ) the angle from the pole. With the
# latitude it has to be P_n^m(sin θ); the functions with the cosine are no eigenfunctions of the
# Laplacian, and decay at no single rate.

# %%
print(sine_is_the_argument())
print(cosine_is_the_argument())
basis_figure()
