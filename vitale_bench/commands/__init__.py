"""One module a command group; each imports what it drives only when it runs."""
