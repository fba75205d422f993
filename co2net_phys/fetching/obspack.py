"""ObsPack: where to ask for it. It may not be passed on, so nothing is fetched."""

WHERE = "https://gml.noaa.gov/ccgg/obspack/data.php"

STEPS = (
    f"Open {WHERE}, choose obspack_co2_1_GLOBALVIEWplus (the newest version), fill in the form.",
    "NOAA sends the link for the download, the citation and the addresses of the data providers.",
    "Unpack the NetCDF version; its folder data/nc/ is what --stations of prepare expects.",
)

WHY = (
    "Its fair-use statement says that the product must be obtained directly from the ObsPack "
    "portal and may not be redistributed, that you contact the laboratories whose data you use, "
    "and that you cite it: so co2phys neither contains nor fetches it."
)
