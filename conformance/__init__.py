"""The pytest plugin and the campaign: scenarios, operator, traces, mutants, report."""
