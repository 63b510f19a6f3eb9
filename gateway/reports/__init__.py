"""Reports for risk and operations, computed from a journal alone; nothing in it is changed."""
