"""Adapters of the `ObjectStore` port, one medium a file; none imports another."""
