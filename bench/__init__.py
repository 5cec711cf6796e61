"""`make bench`: measures the speed of the product's stages beside plain C tools on the same rows and files."""
