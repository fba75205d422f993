"""`python -m co2net_phys` is `co2phys`."""

from co2net_phys.cli.main import main

if __name__ == "__main__":
    main()
