"""Inputs, outputs and checkpoints as the text that was handed in, and which children a checkpoint knows of.

The json type keeps a text as it is: the order of keys, 1e20, 1.0 and -0.0, which jsonb does not. The table is written
anew once, which locks it meanwhile.
"""

from alembic import op

revision = "0007"
down_revision = "0006"

COLUMNS = ("input", "output", "checkpoint")


def upgrade() -> None:
    op.execute(_retyped("json") + ", ADD COLUMN checkpoint_children integer")


def downgrade() -> None:
    op.execute(_retyped("jsonb") + ", DROP COLUMN checkpoint_children")


def _retyped(type_name: str) -> str:
    return "ALTER TABLE tasks " + ", ".join(
        f"ALTER COLUMN {name} TYPE {type_name} USING {name}::{type_name}" for name in COLUMNS
    )
