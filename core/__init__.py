"""Defines what a task is and its operations: no process, no user interface."""

if __name__ != "taskyard.core":
    raise ImportError("import taskyard.core instead: this folder is a part of that package")
