"""Everything that touches the world: sessions, sequencer, journal files, server, client library, command line."""
