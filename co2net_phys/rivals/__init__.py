"""Learned methods of others, each written from its paper, on the terms of the one engine.

A rival turns normalised channels into a normalised field; first guess, units, losses, training and
files are those of every network.
"""
