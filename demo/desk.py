"""A lost item of ten dollars, as in the example of the reference text."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy import Engine, text

from bursar.exports.selection import preview
from bursar.ledger import desk
from bursar.profiles import Profile


def lose_an_item(engine: Engine, profile: Profile) -> int:
    """Charges ten dollars for a lost item to a user whose fines the profile would export; returns the fine's id."""
    _, decisions = preview(engine, profile, as_of=datetime.now(UTC), limit=1)
    with engine.begin() as connection:
        known = connection.execute(
            text("SELECT user_id, item_id, owner_library FROM fines WHERE id = :fine"), {"fine": decisions[0].fine_id}
        ).one()
        return desk.add_fine(
            connection,
            user_id=known.user_id,
            fine_fee_type="LOSTITEMREPLACEMENTFEE",
            amount=Decimal(10),
            currency="USD",
            item_id=known.item_id,
            owner_library=known.owner_library,
            created_at=datetime.now(UTC) - timedelta(days=30),
            comment="declared lost",
        )
