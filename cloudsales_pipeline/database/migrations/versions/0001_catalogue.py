"""The catalogue's ground: channels, listings, products, matching, and the analysts' views."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    here = Path(__file__).parent
    for name in ("0001_catalogue.sql", "0001_views.sql"):
        # exec_driver_sql without parameters: a colon or a percent sign in the text means itself
        op.get_bind().exec_driver_sql((here / name).read_text(encoding="utf-8"))


def downgrade() -> None:
    op.execute("drop schema analytics cascade")
    op.execute("drop schema cloudsales cascade")
