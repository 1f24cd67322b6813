"""The pytest plugin and the campaign: requirements, scenarios, operator, traces, mutants, report."""
