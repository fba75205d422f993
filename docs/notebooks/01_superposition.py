# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Superposition
#
# The CO2-Net paper splits the tracer into a particular solution, which one branch of the network
# is to learn from single frames, and a homogeneous one, which the other branch learns from their
# sequence. Proposition 1 says that the split is possible, and that the particular solution does
# not change in time if wind, diffusivity and source do not. The first part is true, the second is
# not. Results R1 to R3 of [Superposition](../theory/superposition.md); everything here is computed
# by `co2net_phys.validation`.

# %%
# %matplotlib inline

from co2net_phys.validation.superposition import (
    balanced_source,
    net_source,
    net_source_drift,
    superposition,
    weighted_drift,
)
from co2net_phys.validation.superposition_figures import growth_figure, maps_figure

# %% [markdown]
# ## The split is possible
#
# The equation is linear, so a run with an initial field and a source is the sum of two runs, one
# with each. In an unsteady, deforming wind the solver agrees to round-off.

# %%
print(superposition())

# %% [markdown]
# ## A balanced source has a steady field
#
# Freeze the wind and let it blow over two source regions. If as much is taken up elsewhere as is
# emitted there, the tracer has a steady field: the solver, started from it, stays there. "As much"
# is meant with the weight of the last section, which is one if the wind has no divergence.

# %%
print(balanced_source())

# %% [markdown]
# ## A net source has none
#
# On a closed sphere neither wind nor diffusion changes the global mean. What is emitted on balance
# stays in the air. The same run without the uptake drifts away from the "particular solution", by
# more than half of its own size in ten days.

# %%
print(net_source())
growth_figure()

# %% [markdown]
# The pattern remains and the level rises, by the mean source s̄ times the time, everywhere at
# once. That is the growth of CO2 in the atmosphere.

# %%
print(net_source_drift())
maps_figure()

# %% [markdown]
# ## Which mean?
#
# If the wind has no divergence, s̄ is the plain area mean. In a divergent wind (and equation (1) as
# the paper writes it) the air that a source is emitted into matters: s̄ is then weighted by the
# density that the adjoint equation leaves unchanged.

# %%
print(weighted_drift())

# %% [markdown]
# **In short.** φ = homogeneous + steady(s − s̄) + s̄ t. A split into a part that changes from frame
# to frame and a part that does not has no place for the third term, unless s̄ = 0.
