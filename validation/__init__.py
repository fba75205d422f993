"""What the theorems of the CO2-Net paper say, checked against the solver.

Each check takes no argument and returns a :class:`~co2net_phys.validation.finding.Finding`;
:data:`co2net_phys.validation.statements.TOPICS` lists them all.
"""
