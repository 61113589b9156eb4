"""How the network was trained that makes rendered eyes look photographed."""
