"""Messages to buyers about their orders; what operators were told."""

from pathlib import Path

from alembic import op

from cloudsales_pipeline.database.engine import run_script

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    here = Path(__file__).parent
    for name in ("0006_messages.sql", "0006_operators.sql"):
        run_script(op.get_bind(), (here / name).read_text(encoding="utf-8"))


def downgrade() -> None:
    raise NotImplementedError("what people were told is never taken away: restore a backup instead")
