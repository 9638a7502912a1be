"""Holds the Streamlit app that shows an installation live; it reads, and never imports the worker."""

if __name__ != "taskyard.dashboard":
    raise ImportError("import taskyard.dashboard instead: this folder is a part of that package")
