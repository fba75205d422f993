"""Fluxes and CO2 from observations and transport: 4D-Var and an ensemble Kalman filter."""
