"""What a task is and what may happen to it: no process, no user interface."""
