"""Turns a folder into packs and a manifest: scan, pipeline, commit.

Reads the source folder and writes through the `Registry` port; never imports `client` or `server`.
"""
