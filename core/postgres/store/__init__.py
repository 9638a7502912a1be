"""Runs every SQL statement in the caller's transaction, one module per topic.

`submission` creates tasks, `tick` holds the dispatcher's transitions, `commands` those of operators, `recovery` what
a leader needs to take over, `tasks` what is displayed, `search` the searches, `audit` the audit log. The SQL itself
is in `sql/queries/<same topic>.sql`; a statement that changes a task writes its audit row itself.
"""
