"""One service's database: transactions that lock, publish and commit at the edge, and read-only snapshots for views.

`transaction.py` and `database.py` are the same for every server; what differs between them is in `sqlite.py` and
`postgresql.py` and nowhere else.
"""

from shared.columns import UtcDateTime
from shared.database.database import Database
from shared.database.dialect import BrokenReferences
from shared.database.transaction import SYSTEM, Context, Transaction, insertion, upsert

__all__ = ["SYSTEM", "BrokenReferences", "Context", "Database", "Transaction", "UtcDateTime", "insertion", "upsert"]
