"""The compiled core and codecs: integers only, no I/O but the journal's thread, no Python object per order."""
