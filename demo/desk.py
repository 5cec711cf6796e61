"""A lost item, as in the example of the reference text, of a user whose fines are exported."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy import Engine, text

from bursar.exports.selection import preview
from bursar.ledger import desk
from bursar.profiles import Profile


def find_fine_to_export(engine: Engine, profile: Profile) -> int:
    """Returns a fine that the profile would export now."""
    _, decisions = preview(engine, profile, as_of=datetime.now(UTC), limit=1)
    return decisions[0].fine_id


def lose_an_item(engine: Engine, fine: int, amount: Decimal) -> int:
    """Charges an amount for a lost item to the user of a fine; returns the id of the new fine."""
    with engine.begin() as connection:
        known = connection.execute(
            text("SELECT user_id, item_id, owner_library FROM fines WHERE id = :fine"), {"fine": fine}
        ).one()
        return desk.add_fine(
            connection,
            user_id=known.user_id,
            fine_fee_type="LOSTITEMREPLACEMENTFEE",
            amount=amount,
            currency="USD",
            item_id=known.item_id,
            owner_library=known.owner_library,
            created_at=datetime.now(UTC) - timedelta(days=30),
            comment="declared lost",
        )
