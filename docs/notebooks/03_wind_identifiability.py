# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Wind from tracers
#
# Theorem 3 of the CO2-Net paper says that a tracer determines the wind that carries it, and the
# paper's wind loss rests on that. It does not: one tracer determines half of the wind. Two do, or
# one over a window of time. Results R9 and R14 to R16 of [Wind from tracers](../theory/wind.md);
# everything here is computed by `co2net_phys.validation`.

# %%
# %matplotlib inline

from co2net_phys.validation.wind_identifiability import (
    full_wind_from_one_tracer,
    gradient_vanishes_somewhere,
    non_divergent_wind_is_unique,
    non_divergent_winds_carry_alike,
    other_winds_carry_alike,
    parallel_component,
    wind_from_an_instant,
    wind_is_unique,
)
from co2net_phys.validation.wind_identifiability_figures import (
    calibration_figure,
    error_by_condition_figure,
    error_by_interval_figure,
    recovery_maps_figure,
    two_winds_figure,
    vanishing_gradient_figure,
    windows_figure,
)
from co2net_phys.validation.wind_identifiability_several import (
    claimed_uncertainty,
    error_over_windows,
    order_of_recovery,
    three_tracers,
    tracers_that_fill_the_truncation,
    two_tracers,
    wind_from_a_window,
)

# %% [markdown]
# ## Two winds, one tracer
#
# The wind enters the equation of a tracer only as w·∇φ. Add to it any wind that blows along the
# level lines of φ, and the equation stays as it is. The solver agrees to round-off, with winds
# that are half of the wind apart, compared only where the tracer has a gradient to speak of.

# %%
print(other_winds_carry_alike())
print(wind_is_unique())

# %%
two_winds_figure()

# %% [markdown]
# It does not help to know that the wind has no divergence. Any function of φ can be added to its
# streamfunction: the added wind has no divergence, and again blows along the level lines.

# %%
print(non_divergent_winds_carry_alike())
print(non_divergent_wind_is_unique())

# %% [markdown]
# ## No tracer has a gradient everywhere
#
# The theorem asks for a tracer whose gradient vanishes nowhere. On a sphere there is none, as every
# tracer is highest somewhere. Towards that point the gradient falls in proportion to the distance.
# Word for word the theorem is about nothing; what matters is its remark, that a region with a
# gradient is enough, and that is what the winds above refute.

# %%
print(gradient_vanishes_somewhere())
vanishing_gradient_figure()

# %% [markdown]
# ## Half of the wind
#
# What one tracer does determine is the component along its gradient. From fields every five minutes
# it comes out to 1e-8 of the rms wind. Of the other one nothing is known: the smallest wind with
# the same w·∇φ is far from the true one. With a second tracer the other component is known too,
# unless the gradients are parallel. With a third that hardly happens.

# %%
print(parallel_component())
print(full_wind_from_one_tracer())
print(two_tracers())
print(three_tracers())

# %%
recovery_maps_figure()

# %% [markdown]
# ## How well
#
# Without noise only the time difference limits the recovery, and the error has its order.

# %%
print(order_of_recovery())
error_by_interval_figure()

# %% [markdown]
# With noise the wind is known to some metres per second. `recover_wind` says how well, at every
# node, and what it says is right: on average, where the error is small, and where it is large.

# %%
print(claimed_uncertainty())
calibration_figure()

# %% [markdown]
# How nearly parallel the gradients are is told by the condition number of their Gram matrix G. In
# the worst direction the error grows at most as its square root. With noise it levels off near
# cond(G) = 100: from there on only one component is left, the missing one counts as calm, and the
# error is half of the wind.

# %%
error_by_condition_figure()

# %% [markdown]
# A truncated model leaves out a part of w·∇φ, which tracers as fine as the truncation miss. Three
# of them tell that part too.

# %%
print(tracers_that_fill_the_truncation())

# %% [markdown]
# ## Time instead of tracers
#
# If the wind is steady for a while, the instants serve as tracers, wherever the gradient turns.
# With noise, the longer the window the better, as long as the wind remains what it was. Without
# noise two hours suffice on 99 % of the sphere; after a day the error rises, as the tracer comes
# closer to the truncation.

# %%
print(wind_from_an_instant())
print(wind_from_a_window())
print(error_over_windows())

# %%
windows_figure()

# %% [markdown]
# **In short.** The history of one tracer contains the wind along its gradient, and nothing of the
# wind across. A network that shows both has them from somewhere else, such as its inputs.
