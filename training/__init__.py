"""How the networks in models/ that were trained for this program were made."""
