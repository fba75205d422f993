"""The command line: parses options, calls the package, prints. No science in here."""
