"""Who says what a build is: a repository of The Update Framework for each game, written with keys, read with doubt.

Roles, keys, the order of writing and the verified walk, through python-tuf. What a build or a channel says is the
business of `manifest.documents`; what is done with a verified build is the business of whoever asked.
"""
