"""Numbers about Lading that anyone can measure again: corpora, floors, peers and tables.

Nothing in here is part of the product, and the product is driven only through its command line (the manifest table
excepted, which measures a library call). Times are compared inside one run on one machine, never across machines.
"""
