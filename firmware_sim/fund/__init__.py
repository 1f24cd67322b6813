"""The insurer: enrolment, keys, rights, opposition list, teleservices."""
