"""Implements the command line of `taskyard`: one file for each group of commands."""
