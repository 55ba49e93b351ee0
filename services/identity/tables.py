"""The identity service's own tables; each capability's store defines its part."""

import sqlalchemy as sa

metadata = sa.MetaData()
