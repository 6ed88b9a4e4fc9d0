"""Stock: the ledger and its levels, reservations, the channels' rules, publications, dropped files, snapshots."""

from pathlib import Path

from alembic import op

from cloudsales_pipeline.database.engine import run_script

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    here = Path(__file__).parent
    for name in ("0002_stock.sql", "0002_ledger.sql", "0002_publishing.sql", "0002_views.sql"):
        run_script(op.get_bind(), (here / name).read_text(encoding="utf-8"))


def downgrade() -> None:
    raise NotImplementedError("the ledger is never taken away: restore a backup instead")
