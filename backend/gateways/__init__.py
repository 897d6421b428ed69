"""Outside parties, one file each. Services get them through the constructor."""
