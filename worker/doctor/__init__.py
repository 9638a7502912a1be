"""What Taskyard needs of this machine and its servers, and what to do about what is missing.

May import: agents.
"""
