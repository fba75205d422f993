"""How well CO2 at a site can be told from all other sites: monthly records, sites left out."""
