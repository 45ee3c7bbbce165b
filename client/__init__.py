"""Turns a manifest into an installed folder: inventory, fetch, apply, verify, repair.

Reads through the `RegistryReader` port and writes one folder; never imports `publisher` or `server`.
"""
