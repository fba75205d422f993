"""Readers of the products that people download: one file a product, one dataset or table each."""
