"""Every kind of finding: its stage, how urgent it is, what it says in both languages, and the command that deals with it.

What belongs here: words. What does not: when something is one (findings.sql), and who is told (`telling`). A sentence names a
channel, a stage, a job, a courier; never a person, an address or an order (I-46).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from cloudsales_pipeline.settings import FindingKind

Severity = Literal["now", "digest"]
STAGES = ("pipeline", "listing", "catalog", "stock", "orders", "purchasing", "documents", "messages")
STAGE_NAMES_RO = {
    "pipeline": "Rulare",
    "listing": "Listare",
    "catalog": "Catalog",
    "stock": "Stoc",
    "orders": "Comenzi",
    "purchasing": "Achiziții",
    "documents": "Documente",
    "messages": "Mesaje",
}


class Kind(NamedTuple):
    """A kind of finding. `{subject}`, `{count}` and `{detail}` of the sentences and of the command are the finding's.

    The number stands behind a colon, so that one and many read alike in both languages.
    """

    stage: str
    severity: Severity
    en: str
    ro: str
    command: str


KINDS: dict[FindingKind, Kind] = {
    "run_failed": Kind(
        "pipeline",
        "now",
        "Runs of {subject} that failed since it last succeeded: {count}",
        "Rulări eșuate ale {subject} de la ultima reușită: {count}",
        "cloudsales run {job}",
    ),
    "check_red": Kind(
        "pipeline",
        "now",
        "Rows that break the check {subject}: {count}",
        "Rânduri care încalcă verificarea {subject}: {count}",
        "cloudsales verify",
    ),
    "daemon_silent": Kind(
        "pipeline",
        "now",
        "Dagster's daemon shows no sign of life, so nothing starts by itself",
        "Daemonul Dagster nu dă semne de viață; nimic nu mai pornește singur",
        "cloudsales up",
    ),
    "listing_silent": Kind(
        "listing",
        "now",
        "The listing of {subject} was not read for too long",
        "Listarea din {subject} nu a mai fost citită de prea mult timp",
        "cloudsales run import_listing --channel {subject}",
    ),
    "plan_rejected": Kind(
        "catalog",
        "now",
        "Rows of the import of {subject} that the checks stopped: {count}",
        "Rânduri din importul {subject} oprite de verificări: {count}",
        "cloudsales catalog plan {subject}",
    ),
    "suggestions_open": Kind(
        "catalog",
        "digest",
        "Probable duplicates that wait for a decision: {count}",
        "Dubluri probabile care așteaptă o decizie: {count}",
        "cloudsales suggestions list",
    ),
    "quarantine": Kind(
        "pipeline",
        "digest",
        "Rows of the stage {subject} that were set aside: {count}",
        "Rânduri din etapa {subject} puse deoparte: {count}",
        "cloudsales quarantine list --stage {subject}",
    ),
    "quarantine_burst": Kind(
        "pipeline",
        "now",
        "Rows of the stage {subject} that were set aside within an hour: {count}",
        "Rânduri din etapa {subject} puse deoparte într-o oră: {count}",
        "cloudsales quarantine list --stage {subject}",
    ),
    "push_held": Kind(
        "stock",
        "now",
        "Listings of {subject} that would go to zero, held until somebody says so: {count}",
        "Oferte din {subject} care ar ajunge la zero, reținute până le eliberează cineva: {count}",
        "cloudsales stock release-hold {subject}",
    ),
    "channel_unreached": Kind(
        "stock",
        "now",
        "Stock figures that {subject} does not take: {count}",
        "Stocuri pe care {subject} nu le primește: {count}",
        "cloudsales run publish_stock --channel {subject}",
    ),
    "push_refused": Kind(
        "stock",
        "digest",
        "Listings of which {subject} refuses the stock: {count}",
        "Oferte cărora {subject} le refuză stocul: {count}",
        "cloudsales stock offers {subject}",
    ),
    "channel_paused": Kind(
        "stock",
        "digest",
        "{subject} told us to wait until {detail} UTC",
        "{subject} ne-a cerut să așteptăm până la {detail} UTC",
        "cloudsales status",
    ),
    "store_file_refused": Kind(
        "stock",
        "now",
        "Files of {subject} that could not be read: {count}",
        "Fișiere din {subject} care nu au putut fi citite: {count}",
        "cloudsales run load_store_files --channel {subject}",
    ),
    "offers_open": Kind(
        "stock",
        "digest",
        "Listings of {subject} that it shows and should not, or should and does not: {count}",
        "Oferte pe care {subject} le arată și nu ar trebui, sau invers: {count}",
        "cloudsales stock offers {subject}",
    ),
    "orders_silent": Kind(
        "orders",
        "now",
        "Orders of {subject} could not be read for too long",
        "Comenzile din {subject} nu au mai putut fi citite de prea mult timp",
        "cloudsales run import_orders --channel {subject}",
    ),
    "order_unacknowledged": Kind(
        "orders",
        "now",
        "Orders that {subject} was not told we hold: {count}",
        "Comenzi despre care {subject} nu știe că le avem: {count}",
        "cloudsales orders list --unacknowledged",
    ),
    "order_unknown_to_channel": Kind(
        "orders",
        "now",
        "Open orders that {subject} says it does not know: {count}",
        "Comenzi deschise pe care {subject} spune că nu le cunoaște: {count}",
        "cloudsales orders list --unacknowledged",
    ),
    "order_review": Kind(
        "orders",
        "digest",
        "Orders that a person should look at: {count}",
        "Comenzi la care trebuie să se uite cineva: {count}",
        "cloudsales orders list --review",
    ),
    "requirement_without_supplier": Kind(
        "purchasing",
        "digest",
        "Products that must be bought and have no supplier: {count}",
        "Produse de cumpărat fără furnizor: {count}",
        "cloudsales purchasing requirement",
    ),
    "supplier_order_unsent": Kind(
        "purchasing",
        "now",
        "Orders that their suppliers were not sent: {count}",
        "Comenzi netrimise furnizorilor: {count}",
        "cloudsales purchasing orders",
    ),
    "transfers_open": Kind(
        "purchasing",
        "digest",
        "Transfers between warehouses that wait for a decision: {count}",
        "Transferuri între depozite care așteaptă o decizie: {count}",
        "cloudsales purchasing transfers list",
    ),
    "judging_late": Kind(
        "documents",
        "now",
        "Orders whose documents were not decided on in time: {count}",
        "Comenzi ale căror documente nu au fost hotărâte la timp: {count}",
        "cloudsales run issue_documents",
    ),
    "papers_late": Kind(
        "documents",
        "now",
        "Issued documents whose files were not made in time: {count}",
        "Documente emise ale căror fișiere nu au fost făcute la timp: {count}",
        "cloudsales run issue_documents",
    ),
    "handover_late": Kind(
        "documents",
        "now",
        "Documents that {subject} was not given in time: {count}",
        "Documente pe care {subject} nu le-a primit la timp: {count}",
        "cloudsales documents hand-over",
    ),
    "handover_refused": Kind(
        "documents",
        "now",
        "Documents that {subject} refused: {count}",
        "Documente refuzate de {subject}: {count}",
        "cloudsales documents hand-over --refused",
    ),
    "submission_due": Kind(
        "documents",
        "now",
        "E-invoices that the tax authority must have soon, the first by {detail}: {count}",
        "E-facturi de predat curând la ANAF, prima până la {detail}: {count}",
        "cloudsales documents e-invoices --open",
    ),
    "submission_unclear": Kind(
        "documents",
        "now",
        "E-invoices that the tax authority rejected, or that may have reached it: {count}",
        "E-facturi respinse de ANAF sau despre care nu se știe dacă au ajuns: {count}",
        "cloudsales documents e-invoices --open",
    ),
    "courier_silent": Kind(
        "documents",
        "now",
        "The courier {subject} does not answer",
        "Curierul {subject} nu răspunde",
        "cloudsales waybills make",
    ),
    "waybill_late": Kind(
        "documents",
        "now",
        "Waybills that {subject} has not made in time: {count}",
        "AWB-uri pe care {subject} nu le-a făcut la timp: {count}",
        "cloudsales waybills make",
    ),
    "waybill_unclear": Kind(
        "documents",
        "now",
        "Waybills of {subject} of which nobody knows whether they exist: {count}",
        "AWB-uri {subject} despre care nu se știe dacă există: {count}",
        "cloudsales waybills list --state unknown",
    ),
    "waybill_failed": Kind(
        "documents",
        "now",
        "Orders whose waybill {subject} refused, or that was given up: {count}",
        "Comenzi al căror AWB a fost refuzat de {subject} sau la care s-a renunțat: {count}",
        "cloudsales waybills list --state failed",
    ),
    "telling_late": Kind(
        "messages",
        "now",
        "Things that customers should have been told and were not: {count}",
        "Lucruri despre care clienții trebuiau să fie anunțați și nu au fost: {count}",
        "cloudsales messages tell",
    ),
    "message_unknown": Kind(
        "messages",
        "now",
        "Messages that may have gone out: {count}",
        "Mesaje despre care nu se știe dacă au plecat: {count}",
        "cloudsales messages list --state unknown",
    ),
    "message_dead": Kind(
        "messages",
        "now",
        "Messages that were given up: {count}",
        "Mesaje la care s-a renunțat: {count}",
        "cloudsales messages list --state dead",
    ),
    "message_late": Kind(
        "messages",
        "now",
        "Messages that should have gone out ({subject}): {count}",
        "Mesaje care trebuiau să fi plecat ({subject}): {count}",
        "cloudsales messages list --state new",
    ),
}
