"""Words in, exit codes out: the only package that reads the environment and wires objects together."""

__version__ = "0.1.0"
