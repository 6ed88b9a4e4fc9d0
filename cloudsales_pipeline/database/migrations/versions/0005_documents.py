"""Documents: proforma and fiscal invoices, stornos, waybills, their files, and what is handed to channels."""

from pathlib import Path

from alembic import op

from cloudsales_pipeline.database.engine import run_script

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    here = Path(__file__).parent
    for name in ("0005_documents.sql", "0005_waybills.sql", "0005_views.sql"):
        run_script(op.get_bind(), (here / name).read_text(encoding="utf-8"))


def downgrade() -> None:
    raise NotImplementedError("documents are never taken away: restore a backup instead")
