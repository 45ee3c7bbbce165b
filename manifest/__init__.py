"""What a build is: the language that publisher, client and server all speak.

The model, its canonical payload, portable paths, build and channel documents, and the registry over a bare object
store. Refuses to hold anything that plans, compares (`delta`) or touches a game folder (`publisher`, `client`).
"""
