"""A label's bytes, judged: a page for people or half a file must never reach a printer. Pure."""

from __future__ import annotations

from cloudsales_pipeline.documents.couriers.port import CourierAwayError, CourierRefusedError

LABEL_BYTES = 5_000_000
END = b"%%EOF"
END_WITHIN = 1024  # bytes; some writers put white space or a comment behind it


def whole_pdf(courier: str, content: bytes) -> bytes:
    """The bytes, where they are a whole PDF.

    Raises:
        CourierRefusedError: label_not_pdf, label_too_large.
        CourierAwayError: its end is missing.
    """
    step = "look at the waybill on the courier's own pages"
    if not content.startswith(b"%PDF"):
        raise CourierRefusedError(f"What {courier} sent as a label is no PDF.", reason="label_not_pdf", next_step=step)
    if len(content) > LABEL_BYTES:
        message = f"The label that {courier} sent has more than {LABEL_BYTES} bytes."
        raise CourierRefusedError(message, reason="label_too_large", next_step=step)
    if END not in content[-END_WITHIN:]:
        raise CourierAwayError(f"The label that {courier} sent was cut.", reason="label_cut", next_step="try again later")
    return content
