"""Every task statement: one function per transition, run in the caller's transaction.

`submitting` creates tasks, `ticking` is the dispatcher's tick, `operating` what people do,
`recovering` what a leader needs to take over, `reading` what is shown, `finding` what is searched
for, `auditing` the audit log. The SQL itself is in
`sql/queries/<same topic>.sql`; a statement that changes a task writes its audit row itself.
"""
