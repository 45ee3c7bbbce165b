"""One module a table; each has `measure(bench) -> Table` and nothing that another table needs."""
