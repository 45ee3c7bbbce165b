"""One file a verb: its words, and the one call into the engine that they mean."""
