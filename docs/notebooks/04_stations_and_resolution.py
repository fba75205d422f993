# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Stations and resolution
#
# A theorem says that the CO2 field on any open region determines it everywhere. How much of it do
# data determine that have errors, from stations that are points, at an instant and over days?
# Results R8, R12 and R13 of [Stations and resolution](../theory/stations.md); everything here is
# computed by `co2net_phys.validation`.

# %%
# %matplotlib inline

from co2net_phys.validation import observability, slepian, station_sampling, stations_figures

# %% [markdown]
# ## A cap
#
# A field of degree *L* or less, known without error on a cap of 60° around a point, is known
# everywhere. For *L* = 4 the computer agrees, and for *L* up to 8 it does so to the error that
# rounding lets it have.

# %%
print(slepian.exact_data_determine_the_field())
print(slepian.rounding_is_all_that_is_missed())

# %% [markdown]
# The theorem does not say at what price. Slepian's functions are the fields of degree *L* ordered
# by the share λ of their energy that lies inside the cap; an error of the data is divided by √λ.
# Two independent computations of λ agree, its sum is the Shannon number (*L* + 1)² *A*/4π, and
# about that many are near one.

# %%
print(slepian.two_computations_agree())
print(slepian.trace_is_the_shannon_number())
print(slepian.count_is_the_shannon_number())

# %%
stations_figures.cap_eigenvalues()

# %% [markdown]
# The smallest λ falls by the factor tan⁴(Θ/4) with each degree: by 194 on this cap. At *L* = 8 it
# is smaller than what double precision can tell from zero beside one.

# %%
print(slepian.smallest_eigenvalue_decays())
print(slepian.noisy_data_determine_few_degrees())
print(slepian.noisy_data_determine_all())

# %%
stations_figures.cap_noise()

# %% [markdown]
# ## Stations
#
# Stations are no open set. *K* values fix at most *K* coefficients: 96 stations are enough for
# degree 8, with 81 coefficients, and not for degree 9, with 100.

# %%
print(station_sampling.rank_is_the_smaller_number())

# %% [markdown]
# So there are fields of degree 9 that are zero at all stations. Here is the smoothest of them;
# the values at the stations say nothing of it.

# %%
print(station_sampling.invisible_field_vanishes())
print(station_sampling.stations_determine_the_field())
stations_figures.invisible_field()

# %% [markdown]
# Before the number of stations ends the matter, the noise does. The condition number of the
# sampling matrix grows from 6 at degree 4 to 3000 at degree 8, for the built-in sites, and less
# for sites scattered at random, which leave no ocean out.

# %%
print(station_sampling.condition_grows())
stations_figures.station_conditioning()

# %% [markdown]
# With errors of 10 % of the field's root mean square, least squares resolve degree 6; at degree 8
# the error is sixteen times as large as the field (the square root of the variance below).

# %%
print(station_sampling.resolution_at_a_noise())
print(station_sampling.resolution_as_counted())
stations_figures.resolved_degree()

# %% [markdown]
# ## A time window
#
# Wind carries other air past the stations. If it is known, values at later times tell of the
# field at the start of the window. How much they tell is in the observability Gramian of the
# solver, here for fields of degree 15, which have 256 coefficients. It is the Gramian of the
# solver's adjoint:

# %%
print(observability.gramian_matches_adjoint())

# %% [markdown]
# In still air without diffusion nothing new is seen, and the noise is averaged. (Diffusion helps
# a little: degrees decay at different rates, so that a run of values tells them apart, if the
# diffusivity is known.) In moving air the degrees of freedom grow beyond the number of stations.

# %%
print(observability.still_air_only_averages())
print(observability.window_helps_in_wind())

# %%
stations_figures.time_window()

# %% [markdown]
# A field recovered from one frame is wrong by four fifths of its size, from 40 frames by less
# than a quarter.

# %%
print(observability.instant_recovers_the_field())
print(observability.window_recovers_the_field())

# %% [markdown]
# That is what a perfect model with known winds and no sources could do. Errors of the wind,
# unknown sources and structure beyond degree 15 take from it; the theory page says how the
# numbers were found for winds of weather analyses.
