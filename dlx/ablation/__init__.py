"""Many variants of a config at many seeds: planned, trained together, compared with intervals."""
