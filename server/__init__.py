"""What only a running service adds to a store; empty of rules that a bare store needs."""
