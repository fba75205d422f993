"""Downloads of public data: resumable, checked, polite; only on the explicit command."""
