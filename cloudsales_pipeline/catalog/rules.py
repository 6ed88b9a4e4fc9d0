"""The rules that guard the matching: their names, what they say, and the SQL behind each.

A rule is one query (checks/*.sql) over the rows it looks at, with ids, codes, and a boolean `fault`. So how many rows were
looked at, how many are at fault, and which, all come from the same text. What does not belong here: running them
(quality.py), and Great Expectations (expectations.py); importing this costs nothing.

Shares (`plan_shares_in_bounds`), and why they are as they are. An incremental plan holds what is new or changed, and there a
share of the plan's rows alone means little: forty new variants of a season, all created, are no fault; and a share of the
whole listing alone would hide a broken feed behind what was decided long ago. So for created, conflict, invalid and
duplicate_in_listing two figures must *both* be out of bounds:

- `share`: of the plan's rows; bound: the median of the same share over the channel's last 10 applied plans with at least
  `min_rows` rows, plus `margin`. A bound of 1 or more (all earlier imports created everything, say) can't tell a broken
  feed from a sound one, and leaves the judgement to growth;
- `growth`: how much the outcome's share of all the listings shown would grow by the apply, from what is decided now; bound:
  `margin`. (Created rows all count as growth: a listing has its product made once.)

Two more, by one figure each, are about codes that broke while the goods stayed the same; their bound is `margin`:

- `drifted`: of the channel's links, those whose listing in this plan no longer shows a code by which it was linked. The
  links hold, so nothing is created, but a feed that lost its codes must not go unseen;
- `created again`: of the rows to be created, those whose style shows the same size and colour in a listing that has its
  product already: new variant ids with new codes for old goods. It does not depend on the listing's size.

A channel's first plan has no history: there `share` of created is bound by `max_created_share_first` alone, and the rest
passes, saying so. A plan with fewer than `min_rows` rows passes, saying so. All figures are in the result, green or not.
"""

from __future__ import annotations

from dataclasses import dataclass

from cloudsales_pipeline.database.engine import statement

SAMPLE_ROWS = 20
KEYS_READ_AGAIN = "plan_keys_read_again"


@dataclass(frozen=True)
class Rule:
    """One thing that must hold.

    Args:
        name: also the name of its SQL file.
        description: what holds where the rule is green.
        blocking: whether a fault keeps the plan from being applied.
        what_to_do: what a person does about a fault.
        figures: whether its rows are figures, shown when it is green too.
        in_python: its rows are looked at by Python, not by SQL.
    """

    name: str
    description: str
    blocking: bool
    what_to_do: str
    figures: bool = False
    in_python: bool = False

    @property
    def sql(self) -> str:
        """The query of the rows that the rule looks at; a file's comments stay out, they would end in server logs."""
        text = statement("cloudsales_pipeline.catalog", f"checks/{self.name}")
        return without_comments(text)


@dataclass(frozen=True)
class RuleResult:
    """What became of one rule.

    Args:
        passed: it ran, and no row is at fault.
        ran: False where it could not be evaluated; that is never green.
        checked_rows: how many rows it looked at.
        sample: at most 20 of the rows at fault (of the figures, for a rule about shares): ids, codes and figures only.
        what_to_do: the next step; where it passed, what a reader should know ("" mostly).
    """

    rule: str
    description: str
    passed: bool
    ran: bool
    checked_rows: int
    offending_rows: int
    sample: tuple[dict[str, object], ...]
    what_to_do: str


def without_comments(sql: str) -> str:
    """SQL of ours without its `--` comments (which stand at the start of a line here)."""
    return "\n".join(line for line in sql.splitlines() if not line.lstrip().startswith("--"))


_PLAN_AGAIN = "make the plan again; if this comes back, it is a defect of the matching: report it with these rows"

PLAN_RULES: tuple[Rule, ...] = (
    Rule(
        "plan_covers_pending",
        "Every listing that awaits a decision has one row in the plan, and the plan has rows only for listings shown now.",
        blocking=True,
        what_to_do="make the plan again: listings changed under it, or its rows were lost when the database stopped hard",
    ),
    Rule(
        "plan_counts_agree",
        "The counts by outcome that the plan states are those of its rows.",
        blocking=True,
        what_to_do="make the plan again: its rows were lost when the database stopped hard, or changed by hand",
    ),
    Rule(
        "plan_rows_consistent",
        "Every row has one known outcome, and carries what that outcome needs: a product and how it was found, two"
        " candidates, the earlier row.",
        blocking=True,
        what_to_do=_PLAN_AGAIN,
    ),
    Rule(
        KEYS_READ_AGAIN,
        "The codes of the plan's listings, read again as they came (all, or 20,000 at random), give the keys that were compared.",
        blocking=True,
        what_to_do="import the channel's listing in full: its codes were read by other rules, or changed by hand",
        in_python=True,
    ),
    Rule(
        "plan_evidence_repeats",
        "Every link that would be made points to the one product that the listing's codes find from scratch.",
        blocking=True,
        what_to_do="make the plan again: the catalogue's codes moved under it; compare with `codes` of the products shown",
    ),
    Rule(
        "plan_creates_nothing_known",
        "No product would be made with a code or EAN that a product already has.",
        blocking=True,
        what_to_do="make the plan again: these listings belong to the products shown",
    ),
    Rule(
        "plan_creates_each_once",
        "No two products would be made with the same code or EAN, and none without any.",
        blocking=True,
        what_to_do=_PLAN_AGAIN,
    ),
    Rule(
        "plan_shares_in_bounds",
        "The shares of created, conflicting, invalid, duplicate and drifted rows are within bounds of the last imports.",
        blocking=True,
        what_to_do="look at the codes in the channel's feed: they probably broke. If the change is meant, raise quality.margin"
        " (or quality.max_created_share_first) in cloudsales.yaml for this import and audit again",
        figures=True,
    ),
    Rule(
        "plan_gtins_valid",
        "Every EAN that would become a product's GTIN has the right length and check digit.",
        blocking=True,
        what_to_do=_PLAN_AGAIN,
    ),
)

CATALOGUE_RULES: tuple[Rule, ...] = (
    Rule(
        "one_product_per_code",
        "Every normalised code points to the one product that has it, or to none where the loaded catalogue gave it to two.",
        blocking=False,
        what_to_do="stop imports and load the retailer's catalogue again; what stays belongs in a defect report (I-01)",
    ),
    Rule(
        "one_outcome_per_listing",
        "Every listing that is shown and decided has one outcome, and a link exactly where it is linked or created.",
        blocking=False,
        what_to_do="make and apply a plan for the channel; what stays belongs in a defect report",
    ),
    Rule(
        "links_have_evidence",
        "Every link's evidence, looked up again, still gives its product.",
        blocking=False,
        what_to_do="check these links: the product lost the code they were made by; confirm each by hand, or add the code again",
    ),
    Rule(
        "matched_products_unchanged",
        "No matched product was changed by the import (I-03).",
        blocking=False,
        what_to_do="load the retailer's catalogue file again to restore these products, and report the rows as a defect",
    ),
    Rule(
        "created_gtins_valid",
        "Every GTIN that the channel brought into the catalogue has the right length and check digit.",
        blocking=False,
        what_to_do="correct these products' GTINs in the retailer's catalogue file and load it",
    ),
    Rule(
        "rows_add_up",
        "Rows in = loaded + unchanged + quarantined, for each pass over the channel (I-44).",
        blocking=False,
        what_to_do="run the stage again; report the run as a defect",
    ),
)
