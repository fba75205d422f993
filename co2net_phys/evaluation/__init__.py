"""What `co2phys evaluate` makes of a prediction: pairs at stations, intervals, tables, figures."""
