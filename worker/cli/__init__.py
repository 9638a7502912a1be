"""The command line of `python -m worker`: one file for each group of commands."""
