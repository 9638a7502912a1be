"""How those that wait for a task see its end, in one place.

A cancelled task that did not run because one before it failed has failed to them. The planner puts the function's
expression in the place of its call.
"""

from alembic import op

revision = "0033"
down_revision = "0032"


def _view(state: str) -> str:
    return f"""
        CREATE OR REPLACE VIEW unmet_parents AS
        SELECT d.child_id, d.parent_id, d.condition, d.state
        FROM (
            SELECT e.child_id, e.parent_id, e.condition, p.state, p.failed_before
            FROM task_dependencies e LEFT JOIN LATERAL (
                SELECT t.state, t.failed_before FROM tasks t WHERE t.id = e.parent_id
            ) p ON true
            WHERE e.kind = 'after' AND e.met_at IS NULL
        ) d
        WHERE d.state IS NULL OR {state} <> ALL(CASE d.condition
            WHEN 'ended' THEN '{{completed,failed,cancelled}}'::text[] ELSE ARRAY[d.condition] END)
    """


def upgrade() -> None:
    op.execute("""
        CREATE FUNCTION state_for_children(state text, failed_before boolean) RETURNS text
        LANGUAGE sql IMMUTABLE PARALLEL SAFE
        RETURN CASE WHEN failed_before THEN 'failed' ELSE state END
    """)
    op.execute(_view("state_for_children(d.state, d.failed_before)"))


def downgrade() -> None:
    op.execute(_view("CASE WHEN d.failed_before THEN 'failed' ELSE d.state END"))
    op.execute("DROP FUNCTION state_for_children")
