"""Bytes by hash: ids, cutting, frames, packs, placements and the stores that hold them.

A line belongs here if it would still make sense if there were no games, only bytes with names. Nothing in this package
knows what a manifest, a build or a player is. Data flows down into an `ObjectStore` when publishing and up out of one,
through verification, when installing.
"""
