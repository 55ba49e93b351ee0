"""What must be true of all services together, as pure checks over their streams.

The audit trusts nobody: receipts that clients kept, rows, objects, facts, rulings, obligations and deliveries are held
against one another. What is younger than the settling time is in flight: it is counted and is no violation.
"""

from services.operations.reconciliation.domain.announced import check_chain
from services.operations.reconciliation.domain.model import ChainLink, Code, Report, Settling, Violation

__all__ = ["ChainLink", "Code", "Report", "Settling", "Violation", "check_chain"]
