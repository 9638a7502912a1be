"""What people and programs ask of tasks: submit, cancel, retry, reprioritise, in bulk or one by one.

May import everything below it: postgres, redis, embedded, task_types, filters, payload.
"""
