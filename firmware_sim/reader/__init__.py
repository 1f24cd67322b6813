"""Reader firmware: CCID, NFC chips and 2D scanners, each behind the wire its drivers know."""
