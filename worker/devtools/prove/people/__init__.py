"""Implements `prove --people`: random acts of users on an installation, under the same oracle as the kills."""
