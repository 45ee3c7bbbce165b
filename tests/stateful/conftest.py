"""No test in this folder waits for the disk."""

from tests.kit.disks import unhurried_disk

__all__ = ["unhurried_disk"]
