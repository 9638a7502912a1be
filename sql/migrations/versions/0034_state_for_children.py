"""How those that wait for a task see its end, in one place.

A cancelled task that did not run because one before it failed has failed to them. The planner puts the function's
expression in the place of its call. The view `unmet_parents` says the same in its own words, for older releases.
"""

from alembic import op

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    op.execute("""
        CREATE FUNCTION state_for_children(state text, failed_before boolean) RETURNS text
        LANGUAGE sql IMMUTABLE PARALLEL SAFE
        AS $$ SELECT CASE WHEN failed_before THEN 'failed' ELSE state END $$
    """)


def downgrade() -> None:
    op.execute("DROP FUNCTION state_for_children(text, boolean)")
