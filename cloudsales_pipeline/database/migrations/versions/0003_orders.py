"""Orders: what channels said of them, the orders and their lines, and, apart, the people in them."""

from pathlib import Path

from alembic import op

from cloudsales_pipeline.database.engine import run_script

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    here = Path(__file__).parent
    for name in ("0003_publishing.sql", "0003_orders.sql", "0003_lines.sql", "0003_views.sql"):
        run_script(op.get_bind(), (here / name).read_text(encoding="utf-8"))


def downgrade() -> None:
    raise NotImplementedError("orders are never taken away: restore a backup instead")
