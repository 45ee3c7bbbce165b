"""Floor programs: what the work costs when nothing but the work is done.

Each makes the same C calls as Lading (read, cut, hash, compress, write) in plain loops, with the same durability and
the same allocator settings, and nothing else: no manifest rules, no journal, no retry, no events, no cancellation.
What Lading takes above its floor is what those cost. Each is a script that prints one JSON document:

    {"bytes": source bytes, "seconds": wall, "cpu": user and system, "rss": peak bytes}

Seconds and CPU count from the first line of `main`, imports included and Python's own start excluded.
"""
