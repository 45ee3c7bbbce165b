"""Behaviour wrapped around any `ObjectStore`: retry, limit, meter, fault. Never a flag inside an adapter."""
