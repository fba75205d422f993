"""Physical constants of the transport solver, SI units."""

EARTH_RADIUS_M = 6.371e6
"""Radius of the spherical Earth, m: the mean radius (2a + b)/3 of GRS 80, rounded
(Moritz 2000, doi:10.1007/s001900050278)."""

EARTH_ROTATION_RATE = 7.292e-5
"""Angular speed of the Earth, rad s⁻¹: 7.292115e-5 of GRS 80, rounded as in the test suite of
Williamson et al. (1992), doi:10.1016/S0021-9991(05)80016-6."""

GRAVITY = 9.80665
"""Standard acceleration of gravity, m s⁻² (3rd CGPM, 1901, resolution 2)."""

SECONDS_PER_DAY = 86400.0
"""Seconds in a day, s: 24 h of 3600 s, leap seconds ignored as CF calendars do."""
