"""One leaf book. It has no Python interface: Cython modules cimport it, see docs/c-api.md."""
