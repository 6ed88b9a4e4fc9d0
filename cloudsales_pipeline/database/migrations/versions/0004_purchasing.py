"""Purchasing: suppliers, what is ordered of them for which line, receipts; and the outbox that messages leave by."""

from pathlib import Path

from alembic import op

from cloudsales_pipeline.database.engine import run_script

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    here = Path(__file__).parent
    for name in ("0004_outbox.sql", "0004_purchasing.sql", "0004_suppliers_of.sql", "0004_views.sql"):
        run_script(op.get_bind(), (here / name).read_text(encoding="utf-8"))


def downgrade() -> None:
    raise NotImplementedError("supplier orders and messages are never taken away: restore a backup instead")
