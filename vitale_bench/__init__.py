"""The face: command line and phone page; wires the parts together."""
