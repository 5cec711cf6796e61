"""How fast Bursar is: `make bench`. The product's own stages beside plain C tools on the same rows and files."""
