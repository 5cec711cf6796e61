"""The commands of `bin/bursar`: a module for each group."""
