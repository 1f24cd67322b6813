"""The professional's software reduced to its trust decisions: acquire, secure session, verify."""
